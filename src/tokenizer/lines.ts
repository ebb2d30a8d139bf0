/** A stream of bytes in, its lines as strings out, a batch of about `batchBytes` at a time: memory stays bounded by that and the longest line. */
import { MillraceError } from '../errors.ts';

/** Lines end with \n or \r\n, which are left out; a last line without an end counts. Throws `input` for text that isn't UTF-8. */
export async function* lineBatches(
  source: AsyncIterable<Uint8Array>,
  batchBytes = 1 << 20,
): AsyncGenerator<string[], void, void> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let line = 0;
  let rest: Uint8Array[] = [];
  let held = 0;
  const lines = (bytes: Uint8Array): string[] => {
    let text: string;
    try {
      text = decoder.decode(bytes);
    } catch (cause) {
      throw new MillraceError('input', `the input after line ${line} is not UTF-8`, {
        hint: 'convert it first, for example with iconv',
        cause,
      });
    }
    const found = text.split('\n').map((one) => (one.endsWith('\r') ? one.slice(0, -1) : one));
    line += found.length;
    return found;
  };
  for await (const chunk of source) {
    rest.push(chunk);
    held += chunk.length;
    const end = held >= batchBytes ? chunk.lastIndexOf(10) : -1;
    if (end < 0) continue;
    const whole = Buffer.concat([...rest.slice(0, -1), chunk.subarray(0, end)]);
    rest = [chunk.subarray(end + 1)];
    held = chunk.length - end - 1;
    yield lines(whole);
  }
  const last = Buffer.concat(rest);
  if (last.length === 0) return;
  yield lines(last.at(-1) === 10 ? last.subarray(0, -1) : last);
}
