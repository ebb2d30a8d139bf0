/** Weights and moments that stay where the graph runs, tried on the CPU: see test/device/ for other devices. */
import test from 'ava';
import { compareWithCpu, trainOn } from '../support/device.ts';
import { families } from '../support/families.ts';

const adam = { betas: [0.9, 0.95] as [number, number], eps: 1e-8, weightDecay: 0.1 };

for (const family of families) {
  test(`${family.name}: AdamW in the graph, its state kept by the runtime, is the native one`, (t) =>
    compareWithCpu(t, 'cpu', family));
}

test('what is written in between counts, and a loss that is not finite changes nothing', async (t) => {
  const { model, options } = families[0]!;
  const straight = await trainOn('cpu', model, { ...options, optimizer: adam }, 6);
  const broken = await trainOn('cpu', model, { ...options, optimizer: adam }, 3);
  const [first] = broken.session.trained;
  const before = broken.session.read('weight', first!.name);
  // Written over and put back: the state goes to the graph again.
  broken.session.write('weight', first!.name, new Float32Array(before.length).fill(Number.NaN));
  await broken.run(1);
  t.is(broken.session.updates, 3);
  broken.losses.pop();
  broken.session.write('weight', first!.name, before);
  await broken.run(3);
  t.deepEqual(broken.losses, straight.losses);
  t.is(broken.session.updates, 6);
});
