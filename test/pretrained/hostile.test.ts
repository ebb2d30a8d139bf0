/** Broken and hostile model folders: each is refused with an error that names the file and the tensor or key. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { buildModel } from '../../src/model/index.ts';
import { openPretrained } from '../../src/pretrained/open.ts';
import { tensor, writeSafetensors } from '../../src/train/safetensors.ts';
import { llama, scratch, tinyModel } from '../support/tiny.ts';

/** Opens a folder and reads all of it. */
async function load(path: string): Promise<void> {
  const { model, weights } = await openPretrained({ path });
  try {
    await weights.each(model.parameters, () => {});
  } finally {
    await weights.close();
  }
}

interface Header {
  [name: string]: { dtype: string; shape: number[]; data_offsets: [number, number] };
}

/** The tiny model with its header changed. */
async function withHeader(change: (header: Header, data: Buffer) => void): Promise<string> {
  const folder = await tinyModel(llama);
  const path = join(folder, 'model.safetensors');
  const file = await readFile(path);
  const length = Number(file.readBigUInt64LE());
  const header = JSON.parse(file.subarray(8, 8 + length).toString()) as Header;
  const data = file.subarray(8 + length);
  change(header, data);
  const json = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(json.length));
  await writeFile(path, Buffer.concat([size, json, data]));
  return folder;
}

async function withConfig(change: Record<string, unknown>): Promise<string> {
  const folder = await tinyModel(llama);
  const json = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as object;
  await writeFile(join(folder, 'config.json'), JSON.stringify({ ...json, ...change }));
  return folder;
}

const K = 'model.layers.1.self_attn.k_proj.weight';

const headers: Record<string, [change: (header: Header, data: Buffer) => void, message: RegExp]> = {
  'offsets that run over the end': [(h) => (h[K]!.data_offsets[1] += 1e9), /k_proj\.weight has wrong offsets/],
  'offsets backwards': [(h) => h[K]!.data_offsets.reverse(), /k_proj\.weight has wrong offsets/],
  'offsets that are no numbers': [
    (h) => (h[K]!.data_offsets = ['0', '4'] as never),
    /k_proj\.weight has wrong offsets/,
  ],
  'two tensors on the same bytes': [
    (h) => (h[K]!.data_offsets = [...h['model.layers.0.self_attn.k_proj.weight']!.data_offsets]),
    /overlaps the one before it/,
  ],
  'a negative size': [(h) => (h[K]!.shape = [-16, -32]), /k_proj\.weight has the shape \[-16,-32\]/],
  'a size beyond all numbers': [(h) => (h[K]!.shape = [2 ** 40, 2 ** 40]), /k_proj\.weight has the shape/],
  'a shape that is not the model’s': [
    (h) => h[K]!.shape.reverse(),
    /k_proj\.weight has the shape \[32,16\], config.json asks for \[16,32\]/,
  ],
  'an unknown dtype': [(h) => (h[K]!.dtype = 'constructor'), /k_proj\.weight has the unknown dtype constructor/],
  'a tensor that is null': [(h) => (h[K] = null as never), /k_proj\.weight has the unknown dtype/],
  'a missing tensor': [
    (h) => {
      h['model.layers.1.self_attn.kk_proj.weight'] = h[K]!;
      delete h[K];
    },
    /the tensor model\.layers\.1\.self_attn\.k_proj\.weight is missing/,
  ],
  NaN: [
    (h, data) => data.writeFloatLE(Number.NaN, h[K]!.data_offsets[0] + 40),
    /k_proj\.weight holds NaN at element 10/,
  ],
  infinity: [
    (h, data) => data.writeFloatLE(Number.POSITIVE_INFINITY, h[K]!.data_offsets[0]),
    /k_proj\.weight holds Infinity at element 0/,
  ],
  'integers for weights': [(h) => (h[K]!.dtype = 'I32'), /k_proj\.weight is I32/],
};
for (const [name, [change, message]] of Object.entries(headers)) {
  test(`model.safetensors: ${name}`, async (t) => {
    const error = await t.throwsAsync(withHeader(change).then(load), { name: 'MillraceError', message });
    t.notRegex((error as { code?: string } | undefined)?.code ?? '', /internal/);
  });
}

test('model.safetensors: header lengths that lie, no header, no JSON', async (t) => {
  const folder = await tinyModel(llama);
  const path = join(folder, 'model.safetensors');
  const whole = await readFile(path);
  const bytes: Record<string, Buffer> = {
    'longer than the file': Buffer.concat([
      Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
      whole.subarray(8),
    ]),
    'no length': Buffer.from([1, 2, 3]),
    'not JSON': Buffer.concat([whole.subarray(0, 8), Buffer.alloc(whole.length - 8, '{')]),
    'JSON, but a list': Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('[]')]),
    'cut off': whole.subarray(0, -100),
    empty: Buffer.alloc(0),
  };
  for (const [name, content] of Object.entries(bytes)) {
    await writeFile(path, content);
    await t.throwsAsync(load(folder), { name: 'MillraceError', message: /model\.safetensors/ }, name);
  }
});

const configs: Record<string, [change: Record<string, unknown>, message: RegExp]> = {
  'no model_type': [{ family: undefined }, /config\.json: it has no model_type/],
  'a model_type of the prototype': [{ family: 'constructor' }, /model_type "constructor"/],
  'a negative size': [{ hidden_size: -32 }, /config\.json: hidden_size makes no sense: -32/],
  'a size as text': [{ num_hidden_layers: '2' }, /num_hidden_layers makes no sense: "2"/],
  'layers by the million': [{ num_hidden_layers: 1e6 }, /num_hidden_layers makes no sense/],
  'a missing size': [{ vocab_size: undefined }, /vocab_size is missing/],
  'an unknown activation': [{ hidden_act: '__proto__' }, /__proto__/],
  'quantised weights': [{ quantization_config: { bits: 4 } }, /quantization_config/],
  'an unknown rope': [{ rope_scaling: { rope_type: 'magic', factor: 2 } }, /rope_type "magic"/],
  'half a rotation': [{ rope_parameters: { partial_rotary_factor: 0.5 } }, /partial_rotary_factor must be 1/],
  'a key of the rope that we do not know': [{ rope_scaling: { rope_type: 'yarn', betafast: 3 } }, /betafast/],
};
for (const [name, [change, message]] of Object.entries(configs)) {
  test(`config.json: ${name}`, async (t) => {
    await t.throwsAsync(withConfig(change).then(load), { name: 'MillraceError', message });
  });
}

test('config.json: not JSON, not an object, a folder', async (t) => {
  const folder = await tinyModel(llama);
  for (const text of ['{', '[]', 'null', '"llama"', '']) {
    await writeFile(join(folder, 'config.json'), text);
    await t.throwsAsync(load(folder), { code: 'input', message: /config\.json/ }, text);
  }
});

test('shards: the index leads nowhere else, and is held to what it says', async (t) => {
  const folder = await scratch();
  await writeFile(join(folder, 'config.json'), JSON.stringify(llama));
  const index = (weight_map: unknown) =>
    writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map }));
  for (const path of [
    '../secret.safetensors',
    '/etc/passwd',
    '..\\x.safetensors',
    'a/b.safetensors',
    '.hidden.safetensors',
    7,
  ]) {
    await index({ [K]: path });
    await t.throwsAsync(load(folder), {
      code: 'input',
      message: /weight_map\.model\.layers\.1\.self_attn\.k_proj\.weight names/,
    });
  }
  await index([]);
  await index({ [K]: 'model-00001-of-00002.safetensors' });
  await t.throwsAsync(load(folder), { message: /model-00001-of-00002\.safetensors/ });
  const one = tensor(K, [16, 32], new Float32Array(512));
  await writeSafetensors(join(folder, 'model-00001-of-00002.safetensors'), [one]);
  await index({ [K]: 'model-00001-of-00002.safetensors', other: 'model-00001-of-00002.safetensors' });
  await t.throwsAsync(load(folder), { message: /has no tensor other/ });
  await writeSafetensors(join(folder, 'model-00002-of-00002.safetensors'), [one]);
  await index({ [K]: 'model-00001-of-00002.safetensors', x: 'model-00002-of-00002.safetensors' });
  await t.throwsAsync(load(folder), { message: /k_proj\.weight is in two of its files/ });
});

test('shards: a model in two files is the model', async (t) => {
  const folder = await scratch();
  await writeFile(join(folder, 'config.json'), JSON.stringify(llama));
  const { parameters } = buildModel(llama);
  const parts = [parameters.slice(0, 7), parameters.slice(7)];
  const weight_map: Record<string, string> = {};
  for (const [i, part] of parts.entries()) {
    const file = `model-0000${i + 1}-of-00002.safetensors`;
    for (const { name } of part) weight_map[name] = file;
    const tensors = part.map(({ name, shape }) =>
      tensor(name, shape, new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(i + 1)),
    );
    await writeSafetensors(join(folder, file), tensors);
  }
  await writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map }));
  const { model, weights } = await openPretrained({ path: folder });
  const found = new Map<string, number>();
  await weights.each(model.parameters, (name, values) => found.set(name, values[0]!));
  await weights.close();
  t.deepEqual([...found.values()], [...Array(7).fill(1), ...Array(parameters.length - 7).fill(2)]);
});

test('pickled weights are not read', async (t) => {
  const folder = await scratch();
  await writeFile(join(folder, 'config.json'), JSON.stringify(llama));
  await writeFile(join(folder, 'pytorch_model.bin'), 'x');
  const error = await t.throwsAsync(load(folder), { code: 'input', message: /no model\.safetensors/ });
  t.regex((error as { hint?: string }).hint ?? '', /could run code/);
});
