/** So many records of random words of a few languages, the same for the same seed. */
import { writeFile } from 'node:fs/promises';

const WORDS = ['whale', 'ship', 'Meer', 'château', '海', '鲸鱼', 'sea;', '42'];

export async function writeRecords(path: string, count: number, seed: number): Promise<void> {
  let state = seed;
  const pick = (n: number) => {
    state = (state * 48271) % 2147483647;
    return state % n;
  };
  const text = () => Array.from({ length: 1 + pick(30) }, () => WORDS[pick(WORDS.length)]).join(' ');
  await writeFile(path, Array.from({ length: count }, () => `${JSON.stringify({ text: text() })}\n`).join(''));
}
