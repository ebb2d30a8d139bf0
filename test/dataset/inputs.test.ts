/** Input as it comes: packed, with CRLF and BOM, broken, empty, in Chinese. */
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { batches } from '../../src/dataset/batches.ts';
import { type BuildDatasetOptions, buildDataset } from '../../src/dataset/build.ts';
import type { MillraceError } from '../../src/errors.ts';
import { Tokenizer } from '../../src/tokenizer/tokenizer.ts';
import { VOCAB } from './corpora.ts';

let dir = '';
let tokenizer: Tokenizer;
test.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'millrace-inputs-'));
  tokenizer = await Tokenizer.load(VOCAB);
});
test.after.always(() => rm(dir, { recursive: true, force: true }));

const END = '<eos>';
let builds = 0;

/** Builds rows of one document each and gives the documents back as text. */
async function documents(files: string[], options: Partial<BuildDatasetOptions> = {}): Promise<string[]> {
  const out = join(dir, `out${builds++}`);
  const base = { vocab: VOCAB, seqLen: 64, pack: 'none', split: { train: 1 } } as const;
  await buildDataset({ ...base, ...options, files: files.map((file) => join(dir, file)), out });
  const found: string[] = [];
  for await (const { inputIds, segmentIds, rows } of batches({ dir: out, batchSize: 100, shuffle: false })) {
    for (let row = 0; row < rows; row++) {
      const at = (array: Int32Array) => [...array.subarray(row * 64, (row + 1) * 64)];
      const used = at(segmentIds!).filter((segment) => segment > 0).length;
      const text = tokenizer.decode(at(inputIds).slice(0, used), { skipSpecialTokens: false });
      mustEnd(text);
      found.push(text.slice(0, -END.length));
    }
  }
  return found;
}

function mustEnd(text: string): void {
  if (!text.endsWith(END)) throw new Error(`no end token: ${text}`);
}

const write = (name: string, bytes: string | Buffer) => writeFile(join(dir, name), bytes);
const line = (text: string) => `${JSON.stringify({ meta: { text } })}\n`;

test('gz and zst, of one member and of several, as plain files', async (t) => {
  const texts = ['one', 'two', 'drei', 'vier'];
  await write('plain.jsonl', texts.map(line).join(''));
  await write('packed.jsonl.gz', Buffer.concat(texts.map((text) => gzipSync(line(text)))));
  const field = 'meta.text';
  t.deepEqual(await documents(['plain.jsonl'], { field }), texts);
  t.deepEqual(await documents(['packed.jsonl.gz'], { field }), texts);
  // "a\n" and "bc\n", each packed by `zstd`.
  await write('packed.txt.zst', Buffer.from('28b52ffd0458110000610a55c8cc1e28b52ffd045819000062630a91ad164c', 'hex'));
  t.deepEqual(await documents(['packed.txt.zst'], { format: 'line' }), ['a', 'bc']);
  const whole = gzipSync(texts.map(line).join(''));
  await write('cut.jsonl.gz', whole.subarray(0, whole.length - 9));
  const error = await t.throwsAsync<MillraceError>(documents(['cut.jsonl.gz'], { field }));
  t.is(error?.code, 'input');
  t.regex(error?.message ?? '', /cut\.jsonl\.gz: can't be unpacked/);
});

test('a BOM, CRLF, no line break at the end, blank lines', async (t) => {
  await write('windows.txt', '\ufeffone\r\ntwo\r\n\r\n \r\nthree');
  t.deepEqual(await documents(['windows.txt'], { format: 'line' }), ['one', 'two', 'three']);
  t.deepEqual(await documents(['windows.txt'], { format: 'paragraph' }), ['one\r\ntwo', 'three']);
  const clean = { whitespace: true };
  t.deepEqual(await documents(['windows.txt'], { format: 'paragraph', clean }), ['one\ntwo', 'three']);
  await write('windows.jsonl', `\ufeff${['a', 'b'].map((text) => JSON.stringify({ text })).join('\r\n')}`);
  t.deepEqual(await documents(['windows.jsonl']), ['a', 'b']);
  await write('windows.tsv', 'x\ty\r\nz\tw\r\n');
  t.deepEqual(await documents(['windows.tsv'], { field: '1' }), ['y', 'w']);
});

test('bad records: file, line and reason of each; a limit', async (t) => {
  const bad = [
    Buffer.from('{"text": "good"}\n{"text": [7]}\n{"text": "caf\xe9"}\n', 'latin1'),
    Buffer.from('{"text": null}\n[1, 2]\n{"text": "\\ud800"}\n\n{"txt": "x"}\n{"text": "also good"} x\n{"text": "end"'),
  ];
  await write('bad.jsonl', Buffer.concat(bad));
  const out = join(dir, 'rejects');
  const options = { files: [join(dir, 'bad.jsonl')], vocab: VOCAB, seqLen: 8, split: { train: 1 }, out };
  const manifest = await buildDataset({ ...options, maxRejects: 8 });
  t.is(manifest.statistics.documents, 1);
  t.is(manifest.statistics.rejected, 8);
  const lines = (await readFile(join(out, 'rejects.jsonl'), 'utf8')).trim().split('\n');
  const rejects = lines.map((text) => JSON.parse(text) as { file: string; line: number; reason: string });
  t.deepEqual(
    rejects.map(({ line, reason }) => [line, reason]),
    [
      [2, 'the field "text" is a list or an object, not text'],
      [3, 'not UTF-8 from byte 13 of the record on'],
      [4, 'the field "text" is missing'],
      [5, 'the field "text" is missing'],
      [6, 'not JSON: half of a surrogate pair at column 11'],
      [8, 'the field "text" is missing'],
      [9, 'not JSON: something follows the value at column 23'],
      [10, "not JSON: '}' is missing at column 15"],
    ],
  );
  t.true(rejects.every(({ file }) => file.endsWith('bad.jsonl')));
  const stopped = await t.throwsAsync<MillraceError>(buildDataset({ ...options, out: `${out}2`, maxRejects: 7 }));
  t.is(stopped?.code, 'input');
  t.regex(stopped?.message ?? '', /8 records can't be used; the first: .*bad\.jsonl:2: .*; .*bad\.jsonl:3: not UTF-8/);
  const kept = await readFile(join(`${out}2`, '.build', 'rejects.jsonl'), 'utf8');
  t.is(kept.trim().split('\n').length, 8);
  // With more allowed, the same folder is gone on with.
  await buildDataset({ ...options, out: `${out}2`, maxRejects: 8 });
  t.is(await readFile(join(`${out}2`, 'rejects.jsonl'), 'utf8'), `${lines.join('\n')}\n`);
});

test('empty files: nothing in files of records, refused where a file is a document', async (t) => {
  await write('empty.jsonl', '');
  await write('one.jsonl', '{"text": "x"}');
  t.deepEqual(await documents(['empty.jsonl', 'one.jsonl']), ['x']);
  t.regex((await t.throwsAsync(documents(['empty.jsonl'])))?.message ?? '', /no document was found/);
  await write('empty.txt', '');
  await write('full.txt', 'x');
  t.regex(
    (await t.throwsAsync(documents(['empty.txt', 'full.txt'])))?.message ?? '',
    /empty\.txt:1: the file is empty/,
  );
  t.deepEqual(await documents(['empty.txt', 'full.txt'], { maxRejects: 1 }), ['x']);
});

test('a line of several megabytes, longer than a block', async (t) => {
  const long = 'word '.repeat(1_000_000);
  await write('long.jsonl', `{"text": "a"}\n${JSON.stringify({ text: long })}\n`);
  await appendFile(join(dir, 'long.jsonl'), '{"text": "b"}\n');
  const out = join(dir, 'long');
  const files = [join(dir, 'long.jsonl')];
  const manifest = await buildDataset({ files, vocab: VOCAB, seqLen: 512, split: { train: 1 }, out });
  t.is(manifest.splits[0]!.tokens, tokenizer.ids(long).length + 5);
});

test('Chinese: sentences are found, and a character is a word', async (t) => {
  const document = (n: number) =>
    ['今天天气很好。', '我们去公园吧！', '“好吗？”', '他问了她。'].map((s) => s + n).join('');
  await write('zh.txt', Array.from({ length: 60 }, (_, n) => document(n)).join('\n\n'));
  const out = join(dir, 'zh');
  const files = [join(dir, 'zh.txt')];
  const task = { kind: 'nsp', masking: 'dynamic', wholeWord: true } as const;
  await buildDataset({ files, format: 'paragraph', vocab: VOCAB, seqLen: 256, split: { train: 1 }, out, task });
  for await (const { inputIds, labels, rows, tokenTypeIds } of batches({ dir: out, batchSize: 64, shuffle: false })) {
    for (let row = 0; row < rows; row++) {
      const at = (array: Int32Array) => [...array.subarray(row * 256, (row + 1) * 256)];
      const targets = at(labels!);
      const ids = at(inputIds).map((id, i) => (targets[i] === -100 ? id : targets[i]!));
      const middle = at(tokenTypeIds!).indexOf(1);
      // B begins where a sentence does.
      t.regex(tokenizer.decode(ids.slice(middle, middle + 12)), /^(\d*(今天|我们|“好|他问)|\d+$)/);
      // Byte-level BPE takes a rare character as several tokens: all of them are chosen, or none.
      for (let i = 1; i < 256; i++) {
        const begins = !/^[\x80-\xbf]/.test(bytesOf(ids[i]!));
        if (!begins) t.is(targets[i] === -100, targets[i - 1] === -100, `row ${row}, token ${i}`);
      }
    }
  }
});

/** The bytes of a token of byte-level BPE, as characters of Latin 1. */
function bytesOf(id: number): string {
  const token = tokenizer.idToToken(id) ?? '';
  const byte = (c: string) => {
    const code = c.codePointAt(0)!;
    if (code < 256) return c;
    const n = code - 256;
    return String.fromCharCode(n < 33 ? n : n < 67 ? n - 33 + 127 : 173);
  };
  return [...token].map(byte).join('');
}
