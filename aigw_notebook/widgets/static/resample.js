// One stream of samples from one rate to another, piece by piece, without a click where the pieces meet.
// The text of this function goes to the audio thread too: it can use nothing from outside itself.

export function resampling() {
  const ZEROS = 24; // zero crossings of the sinc on each side: about 90 dB of stop band with this window
  const BETA = 9;
  const ROLL_OFF = 0.94;

  function bessel(x) {
    let sum = 1;
    for (let term = 1, k = 1; term > 1e-12 * sum; k += 1) {
      term *= (x / (2 * k)) ** 2;
      sum += term;
    }
    return sum;
  }

  function kernelAt(x, cutoff, half) {
    if (Math.abs(x) >= half) return 0;
    const angle = Math.PI * x * cutoff;
    const sinc = angle === 0 ? 1 : Math.sin(angle) / angle;
    return cutoff * sinc * (bessel(BETA * Math.sqrt(1 - (x / half) ** 2)) / bessel(BETA));
  }

  function gcd(a, b) {
    return b === 0 ? a : gcd(b, a % b);
  }

  // Rates are whole numbers of Hz. `process` gives what is certain so far, `flush` the rest, as if silence followed.
  class Resampler {
    constructor(from, to) {
      const shared = gcd(from, to);
      this.up = to / shared;
      this.down = from / shared;
      this.phases = new Map();
      this.cutoff = Math.min(1, to / from) * (from === to ? 1 : ROLL_OFF);
      this.half = Math.ceil(ZEROS / this.cutoff);
      this.history = new Float32Array(this.half); // silence before the first sample
      this.base = -this.half; // position of history[0] in the input
      this.next = 0; // number of the next output sample
    }

    process(samples) {
      if (this.up === this.down) return samples;
      const data = new Float32Array(this.history.length + samples.length);
      data.set(this.history);
      data.set(samples, this.history.length);
      const out = [];
      const end = this.base + data.length;
      for (;;) {
        const at = (this.next * this.down) / this.up;
        const middle = Math.floor(at);
        if (middle + this.half >= end) break;
        out.push(this.convolve(data, middle - this.base, (this.next * this.down) % this.up));
        this.next += 1;
      }
      const keep = Math.max(0, Math.floor((this.next * this.down) / this.up) - this.half - this.base);
      this.history = data.slice(keep);
      this.base += keep;
      return Float32Array.from(out);
    }

    flush() {
      return this.process(new Float32Array(this.half + 1));
    }

    convolve(data, middle, phase) {
      const weights = this.weights(phase);
      let sum = 0;
      for (let k = 0; k < weights.length; k += 1) sum += weights[k] * data[middle - this.half + 1 + k];
      return sum;
    }

    weights(phase) {
      let weights = this.phases.get(phase);
      if (weights === undefined) {
        const shift = phase / this.up;
        weights = Float64Array.from({ length: 2 * this.half }, (_, k) =>
          kernelAt(k - this.half + 1 - shift, this.cutoff, this.half),
        );
        this.phases.set(phase, weights);
      }
      return weights;
    }
  }

  return Resampler;
}

export const Resampler = resampling();
