// Hands the microphone's samples over, mono and at the rate that is wanted, in blocks of one size, on the audio thread.
// The text of this function is a module of its own there: it can use nothing from outside itself but what it is given.

export function recorderWorklet(Resampler) {
  class AigwRecorder extends AudioWorkletProcessor {
    constructor({ processorOptions: { frames, from, to } }) {
      super();
      this.resampler = new Resampler(from, to);
      this.block = new Float32Array(frames);
      this.filled = 0;
      this.stopped = false;
      this.port.onmessage = ({ data }) => {
        this.stopped = data.op === "stop";
      };
    }

    process(inputs) {
      const channels = inputs[0];
      if (channels.length > 0) this.take(this.resampler.process(this.mixed(channels)));
      return !this.stopped;
    }

    mixed(channels) {
      if (channels.length === 1) return channels[0];
      return channels[0].map((_, i) => channels.reduce((sum, channel) => sum + channel[i], 0) / channels.length);
    }

    take(samples) {
      for (const sample of samples) {
        this.block[this.filled] = sample;
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
