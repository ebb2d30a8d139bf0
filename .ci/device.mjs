/**
 * `node .ci/device.mjs webgpu|cuda`: runs the device's tests where it can be had, and says so where it can't (then exit code 3).
 * WebGPU on Linux without a driver of its own runs on SwiftShader, the software Vulkan that Debian's `chromium` brings.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const [device] = process.argv.slice(2);
const env = { ...process.env };

function lacking(text) {
  console.error(`millrace: ${text}`);
  process.exit(3);
}

/** What ONNX Runtime's CUDA provider needs on Linux and can't find. */
function cudaLibraries() {
  if (process.platform !== 'linux') return [];
  const home = join(import.meta.dirname, '../node_modules/onnxruntime-node/bin');
  const provider = readdirSync(home, { recursive: true }).some((path) =>
    path.endsWith('onnxruntime_providers_cuda.so'),
  );
  const known = spawnSync('ldconfig', ['-p'], { encoding: 'utf8' }).stdout ?? '';
  const folders = (env.LD_LIBRARY_PATH ?? '').split(':').filter((path) => path !== '' && existsSync(path));
  const has = (name) =>
    known.includes(name) || folders.some((path) => readdirSync(path).some((file) => file.startsWith(name)));
  return [
    ...(provider ? [] : ["the runtime's provider (npm rebuild onnxruntime-node --ignore-scripts=false)"]),
    ...(has('libcublasLt.so.') ? [] : ['the CUDA libraries (libcublasLt.so: the CUDA toolkit or its runtime package)']),
    ...(has('libcudnn.so.9') ? [] : ['cuDNN 9 (libcudnn.so.9)']),
  ];
}

if (device === 'cuda') {
  const cards = spawnSync('nvidia-smi', ['-L'], { encoding: 'utf8' });
  const lacks =
    cards.status === 0
      ? cudaLibraries()
      : ['an NVIDIA GPU with its driver (nvidia-smi -L finds none)', ...cudaLibraries()];
  if (lacks.length > 0)
    lacking(`nothing was tested on CUDA, which lacks here:\n${lacks.map((what) => `  - ${what}`).join('\n')}`);
  console.log(cards.stdout.trim());
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
  if (!env.XDG_RUNTIME_DIR) {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-webgpu-'));
    env.XDG_RUNTIME_DIR = folder;
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  }
} else lacking('usage: node .ci/device.mjs webgpu|cuda');

const config = ['--config', '.ci/ava.device.config.mjs', `test/device/${device}.device.ts`];
process.exit(spawnSync('npx', ['ava', ...config], { stdio: 'inherit', env }).status ?? 1);
