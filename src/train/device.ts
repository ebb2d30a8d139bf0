/** The name of a device in, what it can do on this machine out: every answer comes from a session that was really run. */
import { MillraceError } from '../errors.ts';
import { linear, ProgramBuilder, zeros } from '../model/index.ts';
import { Session } from './session.ts';

/** `cpu`, `cuda`, `cuda:<n>` or `webgpu`. */
export type Device = string;

/** What came of trying a device. */
export interface DeviceReport {
  device: Device;
  works: boolean;
  /** Why not, and what to do about it. */
  reason?: string;
  remedy?: string;
}

/** Tries each device with a product of two small matrices and compares the result. */
export async function probeDevices(devices: Device[] = ['cpu', 'cuda', 'webgpu']): Promise<DeviceReport[]> {
  const reports: DeviceReport[] = [];
  for (const device of devices) reports.push(await probe(device));
  return reports;
}

async function probe(device: Device): Promise<DeviceReport> {
  const b = new ProgramBuilder();
  const x = b.input('x', 'float32', [2, 3]);
  b.output('y', linear(b, 'w', x, { out: 2, init: zeros }));
  const program = b.program();
  try {
    const session = Session.create({ parameters: program.parameters, threads: 1, device });
    session.write('weight', program.parameters[0]!.name, Float32Array.of(1, 2, 3, 4, 5, 6));
    const { y } = await session.run(await session.load(program), { x: Float32Array.of(1, 0, 2, 0, 1, 1) });
    const right = [7, 16, 5, 11].every((value, i) => Math.abs(Number(y?.[i]) - value) < 1e-4);
    return right ? { device, works: true } : { device, works: false, reason: `it computes [${y}]` };
  } catch (error) {
    const { message, hint } = error as MillraceError;
    return { device, works: false, reason: message, ...(hint !== undefined && { remedy: hint }) };
  }
}

/**
 * `auto` is CUDA where a session runs on it, else the CPU, which beats WebGPU on software drivers.
 * @throws `config` for a name that is no device, `environment` with the reason where the device doesn't work.
 */
export async function resolveDevice(name: Device = 'auto'): Promise<Device> {
  if (name === 'cpu') return name;
  if (name === 'auto') return (await probe('cuda')).works ? 'cuda' : 'cpu';
  if (!/^(cuda(:\d+)?|webgpu)$/.test(name)) {
    throw new MillraceError('config', `there is no device ${name}`, { hint: 'auto, cpu, cuda, cuda:<n> or webgpu' });
  }
  const { works, reason, remedy } = await probe(name);
  if (!works) {
    throw new MillraceError('environment', `${name} does not work here: ${reason}`, {
      hint: remedy ?? '--device cpu always works',
    });
  }
  return name;
}
