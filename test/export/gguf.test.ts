/** A GGUF file read back byte by byte: header, keys, tokens, tensors at their places, rows of heads reordered. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { exportModel } from '../../src/export/export.ts';
import { Safetensors } from '../../src/train/safetensors.ts';
import { llama, scratch, tinyModel, tinyVocab } from '../support/tiny.ts';

/** The format's specification, read the other way round. */
function parse(file: Buffer) {
  let at = 0;
  const take = (bytes: number) => {
    at += bytes;
    return file.subarray(at - bytes, at);
  };
  const u32 = () => take(4).readUInt32LE();
  const u64 = () => Number(take(8).readBigUInt64LE());
  const text = () => take(u64()).toString();
  const value = (type: number): unknown => {
    if (type === 4) return u32();
    if (type === 5) return take(4).readInt32LE();
    if (type === 6) return take(4).readFloatLE();
    if (type === 7) return take(1)[0] === 1;
    if (type === 8) return text();
    const of = u32();
    return Array.from({ length: u64() }, () => value(of));
  };
  const magic = take(4).toString();
  const [version, tensors, keys] = [u32(), u64(), u64()];
  const metadata = Object.fromEntries(Array.from({ length: keys }, () => [text(), value(u32())]));
  const infos = Array.from({ length: tensors }, () => {
    const name = text();
    const shape = Array.from({ length: u32() }, u64).reverse();
    return { name, shape, type: u32(), offset: u64() };
  });
  const start = Math.ceil(at / 32) * 32;
  const floats = (name: string) => {
    const { shape, offset } = infos.find((info) => info.name === name)!;
    const length = shape.reduce((a, b) => a * b, 1);
    return new Float32Array(
      file.buffer.slice(file.byteOffset + start + offset, file.byteOffset + start + offset + 4 * length),
    );
  };
  return {
    magic,
    version,
    metadata,
    infos,
    floats,
    end: start + Math.max(...infos.map(({ shape, offset }) => offset + 4 * shape.reduce((a, b) => a * b, 1))),
  };
}

test('keys, tokenizer and tensors', async (t) => {
  const checkpoint = await tinyModel({ ...llama, rope_theta: 20000 });
  const out = join(await scratch(), 'model.gguf');
  await exportModel({ checkpoint, vocab: await tinyVocab(), out, format: 'gguf' });
  const bytes = await readFile(out);
  const { magic, version, metadata, infos, floats, end } = parse(bytes);
  t.is(magic, 'GGUF');
  t.is(version, 3);
  t.true(bytes.length >= end && bytes.length < end + 32);
  t.is(metadata['general.architecture'], 'llama');
  t.is(metadata['llama.attention.head_count_kv'], 2);
  t.is(metadata['llama.rope.freq_base'], 20000);
  t.is((metadata['tokenizer.ggml.tokens'] as string[]).length, 300);
  t.is(metadata['tokenizer.ggml.pre'], 'gpt-2');
  t.is((metadata['tokenizer.ggml.token_type'] as number[])[0], 3);
  t.true(infos.every(({ offset, type }) => offset % 32 === 0 && type === 0));

  const file = await Safetensors.open(join(checkpoint, 'model.safetensors'));
  t.deepEqual(floats('blk.1.ffn_up.weight'), await file.floats('model.layers.1.mlp.up_proj.weight'));
  t.deepEqual(floats('output_norm.weight'), await file.floats('model.norm.weight'));
  const [ours, theirs] = [await file.floats('model.layers.0.self_attn.k_proj.weight'), floats('blk.0.attn_k.weight')];
  await file.close();
  // Heads of 8 rows: 0 4 1 5 2 6 3 7.
  const row = (values: Float32Array, i: number) => values.subarray(32 * i, 32 * (i + 1));
  for (let head = 0; head < 2; head++)
    for (const [to, from] of [0, 4, 1, 5, 2, 6, 3, 7].entries())
      t.deepEqual(row(theirs, 8 * head + to), row(ours, 8 * head + from));
});

test('a vocabulary of another model, or none, is refused', async (t) => {
  const out = join(await scratch(), 'model.gguf');
  await t.throwsAsync(exportModel({ checkpoint: await tinyModel(llama), out, format: 'gguf' }), {
    message: /holds the tokenizer/,
  });
  const small = await tinyModel({ ...llama, vocab_size: 200 });
  await t.throwsAsync(exportModel({ checkpoint: small, vocab: await tinyVocab(), out, format: 'gguf' }), {
    message: /more tokens than the 200 rows/,
  });
});
