/** Events of runs (objects with a type) in, one record a run out: steps, validations, samples, state. */

export class Run {
  constructor({ name, events = [], ...rest }) {
    Object.assign(this, rest);
    this.name = name;
    this.state = 'done';
    this.steps = [];
    this.validations = [];
    this.samples = [];
    this.seconds = 0;
    this.tokens = 0;
    this.push(events);
  }

  push(events) {
    for (const event of events) {
      if (event.type === 'start') this.start(event);
      else if (event.type === 'step') this.step(event);
      else if (event.type === 'validation') this.validations.push({ ...event, ...this.at(event.step) });
      else if (event.type === 'sample') this.samples.push(event);
      else if (event.type === 'end') this.state = 'done';
    }
  }

  /** A resumed run goes on from its checkpoint: what came after that in the killed one is void. */
  start(event) {
    this.state = 'training';
    this.total = event.steps ?? this.total;
    this.parameters ??= event.parameters;
    const from = event.step ?? 0;
    for (const list of ['steps', 'validations', 'samples']) this[list] = this[list].filter(({ step }) => step <= from);
    this.tokens = this.steps.at(-1)?.tokensSeen ?? 0;
    this.seconds = this.steps.at(-1)?.seconds ?? 0;
  }

  step(event) {
    this.seconds += (event.ms ?? 0) / 1000;
    this.tokens = event.tokens ?? this.tokens;
    this.steps.push({ ...event, tokensSeen: this.tokens, seconds: this.seconds });
  }

  /** Where on the other axes a step lies. */
  at(step) {
    const near = this.steps.findLast((event) => event.step <= step) ?? { tokensSeen: 0, seconds: 0 };
    return { tokensSeen: near.tokensSeen, seconds: near.seconds };
  }
}
