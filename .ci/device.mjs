/**
 * `node .ci/device.mjs webgpu|cuda`: runs the device's tests where it can be had, and says so where it can't (then exit code 3).
 * WebGPU on Linux without a driver of its own runs on SwiftShader, the software Vulkan that Debian's `chromium` brings.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const [device] = process.argv.slice(2);
const env = { ...process.env };

function lacking(text) {
  console.error(`millrace: ${text}`);
  process.exit(3);
}

if (device === 'cuda') {
  const { status, stdout } = spawnSync('nvidia-smi', ['-L'], { encoding: 'utf8' });
  if (status !== 0) lacking('no NVIDIA GPU here (nvidia-smi finds none), so nothing was tested on CUDA');
  console.log(stdout.trim());
} else if (device === 'webgpu') {
  const folder = ['/usr/lib/chromium', '/usr/lib/chromium-browser'].find((path) =>
    existsSync(join(path, 'vk_swiftshader_icd.json')),
  );
  if (folder && !env.VK_ICD_FILENAMES) {
    env.VK_ICD_FILENAMES = join(folder, 'vk_swiftshader_icd.json');
    env.LD_LIBRARY_PATH = [env.LD_LIBRARY_PATH, folder].filter(Boolean).join(':');
  } else if (
    !folder &&
    process.platform === 'linux' &&
    !env.VK_ICD_FILENAMES &&
    !existsSync('/usr/share/vulkan/icd.d')
  ) {
    lacking('no Vulkan driver here, so nothing was tested on WebGPU (Debian: apt-get install chromium)');
  }
  env.XDG_RUNTIME_DIR ??= mkdtempSync(join(tmpdir(), 'millrace-webgpu-'));
} else lacking('usage: node .ci/device.mjs webgpu|cuda');

const config = ['--config', '.ci/ava.device.config.mjs', `test/device/${device}.device.ts`];
process.exit(spawnSync('npx', ['ava', ...config], { stdio: 'inherit', env }).status ?? 1);
