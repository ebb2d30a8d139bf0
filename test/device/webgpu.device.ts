/** Training on WebGPU, on whatever adapter there is; .ci/webgpu.mjs finds a software one where the machine has no other. */
import test from 'ava';
import { probeDevices } from '../../src/train/device.ts';
import { compareWithCpu, families } from '../support/device.ts';

test.before(async (t) => {
  const [report] = await probeDevices(['webgpu']);
  t.true(report!.works, `${report!.reason}; ${report!.remedy}`);
});

for (const family of families.filter(({ name }) => name !== 'gpt classifier')) {
  test(`${family.name}: 20 steps on WebGPU give the CPU's losses`, (t) => compareWithCpu(t, 'webgpu', family));
}
