// Messages to the session and its answers, over the data channel (PROTOCOL.md).

export class Talk {
  /** told: called with every answer. */
  constructor(channel, told) {
    this.channel = channel;
    channel.onopen = () => this.say("state");
    channel.onmessage = (event) => told(JSON.parse(event.data));
  }

  say(type, content = {}) {
    if (this.channel.readyState !== "open") return false;
    this.channel.send(JSON.stringify({ type, ...content }));
    return true;
  }
}
