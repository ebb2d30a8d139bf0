import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { Safetensors, tensor, writeSafetensors } from '../../src/train/safetensors.ts';
import { temporary as scratch, sha256 } from './support.ts';

test('what is written is read back, and the hash is the file’s', async (t) => {
  const path = join(await scratch(), 'a.safetensors');
  const wanted = Float32Array.from({ length: 6 }, (_, i) => i / 3);
  const { bytes, sha256: hash } = await writeSafetensors(
    path,
    [
      tensor('a.weight', [2, 3], wanted),
      tensor('ids', [2], Int32Array.of(7, -1)),
      tensor('none', [0, 4], new Float32Array()),
    ],
    { step: '3' },
  );
  const content = await readFile(path);
  t.is(bytes, content.length);
  t.is(hash, sha256(content));
  t.is(Number(content.readBigUInt64LE()) % 8, 0);
  const file = await Safetensors.open(path);
  t.deepEqual([...file.tensors.keys()], ['a.weight', 'ids', 'none']);
  t.deepEqual(file.metadata, { format: 'pt', step: '3' });
  t.deepEqual(await file.floats('a.weight'), wanted);
  t.deepEqual(Buffer.from(await file.bytes('ids')).readInt32LE(4), -1);
  t.is((await file.floats('none')).length, 0);
  await t.throwsAsync(file.floats('b'), { message: /has no tensor b/ });
  await file.close();
});

test('a file that PyTorch wrote is read', async (t) => {
  const path = fileURLToPath(new URL('../fixtures/optim/expected.safetensors', import.meta.url));
  const file = await Safetensors.open(path);
  t.deepEqual(file.info('g.w').shape, [12, 7, 5]);
  const start = await file.floats('p0.b');
  t.is(start.length, 7);
  t.true(start.every((x) => Number.isFinite(x) && Math.abs(x) < 10));
  await file.close();
});

test('bfloat16, half and float64 become float32', async (t) => {
  const path = join(await scratch(), 'a.safetensors');
  const header = JSON.stringify({
    b: { dtype: 'BF16', shape: [2], data_offsets: [0, 4] },
    h: { dtype: 'F16', shape: [4], data_offsets: [4, 12] },
    d: { dtype: 'F64', shape: [1], data_offsets: [12, 20] },
  });
  const body = Buffer.alloc(20);
  // 1.0 and -2.5 in bfloat16; 1.0, -0.5, 65504 and 2^-24 in binary16; 0.25.
  [0x3f80, 0xc020, 0x3c00, 0xb800, 0x7bff, 0x0001].forEach((bits, i) => {
    body.writeUInt16LE(bits, 2 * i);
  });
  body.writeDoubleLE(0.25, 12);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  await writeFile(path, Buffer.concat([length, Buffer.from(header), body]));
  const file = await Safetensors.open(path);
  t.deepEqual([...(await file.floats('b'))], [1, -2.5]);
  t.deepEqual([...(await file.floats('h'))], [1, -0.5, 65504, 2 ** -24]);
  t.deepEqual([...(await file.floats('d'))], [0.25]);
  await file.close();
});

test('damaged files are refused with the file named', async (t) => {
  const path = join(await scratch(), 'a.safetensors');
  await writeSafetensors(path, [tensor('a', [4], new Float32Array(4))]);
  const whole = await readFile(path);
  await truncate(path, whole.length - 3);
  await t.throwsAsync(Safetensors.open(path), { code: 'corrupt', message: /a\.safetensors/ });
  await writeFile(path, Buffer.concat([whole, Buffer.alloc(4)]));
  await t.throwsAsync(Safetensors.open(path), { code: 'corrupt' });
  await writeFile(path, Buffer.from('{}'));
  await t.throwsAsync(Safetensors.open(path), { code: 'corrupt' });
  await writeFile(path, whole.fill(0xff, 0, 8));
  await t.throwsAsync(Safetensors.open(path), { code: 'corrupt' });
  await t.throwsAsync(Safetensors.open(`${path}.no`), { code: 'input' });
});
