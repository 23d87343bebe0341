// Hands the microphone's samples over in blocks of one size, on the audio thread.
// The text of this function is a module of its own there: it can use nothing from outside itself.

export function recorderWorklet() {
  class AigwRecorder extends AudioWorkletProcessor {
    constructor({ processorOptions }) {
      super();
      this.block = new Float32Array(processorOptions.frames);
      this.filled = 0;
      this.stopped = false;
      this.port.onmessage = ({ data }) => {
        this.stopped = data.op === "stop";
      };
    }

    process(inputs) {
      const channels = inputs[0];
      if (channels.length > 0) this.take(channels);
      return !this.stopped;
    }

    take(channels) {
      for (let i = 0; i < channels[0].length; i += 1) {
        let sum = 0;
        for (const channel of channels) sum += channel[i];
        this.block[this.filled] = sum / channels.length;
        this.filled += 1;
        if (this.filled === this.block.length) {
          this.port.postMessage(this.block.slice());
          this.filled = 0;
        }
      }
    }
  }

  registerProcessor("aigw-recorder", AigwRecorder);
}
