/** metrics.jsonl in, events out: the whole file, or what was added to it as a run writes on. */
import { open, stat } from 'node:fs/promises';
import type { Event } from './data.ts';

/** Reads whole lines from where it stopped last; a half-written last line waits for its end. */
export class EventReader {
  readonly path: string;
  #offset = 0;
  #inode: number | undefined;

  constructor(path: string) {
    this.path = path;
  }

  /** `reset` is true where the file was begun anew, so that what was read before is void. */
  async next(): Promise<{ events: Event[]; reset: boolean }> {
    const info = await stat(this.path).catch(() => undefined);
    if (!info) return { events: [], reset: false };
    const reset = this.#inode !== undefined && (info.ino !== this.#inode || info.size < this.#offset);
    if (reset) this.#offset = 0;
    this.#inode = info.ino;
    if (info.size === this.#offset) return { events: [], reset };
    const file = await open(this.path, 'r');
    try {
      const buffer = Buffer.alloc(info.size - this.#offset);
      const { bytesRead } = await file.read(buffer, 0, buffer.length, this.#offset);
      const end = buffer.subarray(0, bytesRead).lastIndexOf(10) + 1;
      this.#offset += end;
      return { events: parse(buffer.toString('utf8', 0, end)), reset };
    } finally {
      await file.close();
    }
  }
}

export async function readEvents(path: string): Promise<Event[]> {
  return (await new EventReader(path).next()).events;
}

/** Lines that are no JSON (a killed run's last one, completed by the next run's first) are left out. */
function parse(text: string): Event[] {
  return text.split('\n').flatMap((line) => {
    try {
      const event = line === '' ? undefined : (JSON.parse(line) as Event);
      return event && typeof event === 'object' ? [event] : [];
    } catch {
      return [];
    }
  });
}
