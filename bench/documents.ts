/** A corpus file in, its first megabytes as documents of about 4 kB out, cut at whole characters, as the peers cut it. */
import { readFileSync } from 'node:fs';

const SIZE = 4096;

export function documentsOf(path: string, mb: number): string[] {
  const data = whole(readFileSync(path).subarray(0, Math.trunc(mb * 2 ** 20)));
  const inside = (at: number) => at > 0 && at < data.length && ((data[at] as number) & 0xc0) === 0x80;
  const documents: string[] = [];
  for (let at = 0; at < data.length; ) {
    let end = Math.min(at + SIZE, data.length);
    while (inside(end)) end--;
    documents.push(data.subarray(at, end).toString('utf8'));
    at = end;
  }
  return documents;
}

/** Without the half of a character that a cut may leave at the end. */
function whole(data: Buffer): Buffer {
  for (let back = 1; back <= Math.min(4, data.length); back++) {
    const byte = data[data.length - back] as number;
    if ((byte & 0xc0) === 0x80) continue;
    const width = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return width > back ? data.subarray(0, data.length - back) : data;
  }
  return data;
}
