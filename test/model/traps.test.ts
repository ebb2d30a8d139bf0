/**
 * Three defects of the runtime that corrupt training while the losses still look right; no training graph may step on them.
 * `ScatterND` with reduction add races on the CPU, `Bernoulli` is inverted, and an output may be written over the input that
 * it replaces before everything has read it (that one: passes.test.ts).
 */
import test from 'ava';
import * as ort from 'onnxruntime-node';
import { Graph, scatterAdd, writeOnnx } from '../../src/graph/index.ts';
import { batch, families, weights } from '../support/families.ts';
import { openSession, runSession } from '../support/ort.ts';

for (const { name, model, options } of families) {
  test(`${name}: scatter-adds are ScatterElements, randomness comes from outside`, (t) => {
    for (const more of [
      {},
      { checkpoint: true },
      { optimizer: { betas: [0.9, 0.99] as [number, number], eps: 1e-8, weightDecay: 0 } },
      { native: true },
    ]) {
      const text = Buffer.from(model.trainingProgram({ ...options, ...more }).onnx).toString('latin1');
      t.regex(text, 'native' in more ? /AddRows/ : /ScatterElements/);
      t.notRegex(text, /ScatterND|Bernoulli|RandomUniform|RandomNormal|Dropout/);
    }
  });

  test(`${name}: gradients with repeated ids on two threads are bitwise the same, run after run`, async (t) => {
    const program = model.trainingProgram(options);
    const feeds = { ...weights(program), ...batch(program, 3) };
    const session = await openSession(program.onnx, 2);
    const first = await runSession(session, program, feeds);
    for (let trial = 0; trial < 5; trial++) t.deepEqual(await runSession(session, program, feeds), first);
  });
}

test('rows added to one place by two threads all count', async (t) => {
  const [rows, width, places] = [20_000, 32, 3];
  const graph = new Graph();
  const indices = graph.input('indices', 'int32', [rows, width]);
  const updates = graph.input('updates', 'float32', [rows, width]);
  const zeros = graph.constant(new Float32Array(places * width), 'float32', [places, width]);
  const total = scatterAdd(zeros, indices, updates, 0);
  const session = await openSession(writeOnnx(graph, { outputs: new Map([['total', total]]) }), 2);
  const at = Int32Array.from({ length: rows * width }, (_, i) => Math.floor(i / width) % places);
  const feeds = {
    indices: new ort.Tensor('int32', at, [rows, width]),
    updates: new ort.Tensor('float32', new Float32Array(rows * width).fill(1), [rows, width]),
  };
  const wanted = Float32Array.from({ length: places * width }, (_, i) =>
    Math.ceil((rows - Math.floor(i / width)) / places),
  );
  for (let trial = 0; trial < 10; trial++) t.deepEqual((await session.run(feeds)).total!.data, wanted);
});
