// Runs beside the page: hands on what the microphone hears, mixed to one channel, in blocks.

class Recorder extends AudioWorkletProcessor {
  process([channels]) {
    if (channels.length) {
      const mono = new Float32Array(channels[0].length);
      for (const channel of channels) for (let index = 0; index < mono.length; index += 1) mono[index] += channel[index] / channels.length;
      this.port.postMessage(mono, [mono.buffer]);
    }
    return true;
  }
}

registerProcessor("recorder", Recorder);
