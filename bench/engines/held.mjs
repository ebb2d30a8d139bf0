// Stands in for millrace on workers: `node held.mjs FILE MAIN stage ...`. The first stage of a dataset leaves its process id in
// FILE and then does nothing, so that whoever reads it can kill what runs it in the middle; all others are millrace itself.
import { writeFileSync } from 'node:fs';

const [, , file, main, ...args] = process.argv;
function first() {
  try {
    writeFileSync(file, `${process.pid}\n`, { flag: 'wx' });
    return true;
  } catch {
    return false;
  }
}
if (args[1] === 'tokenize,pack,mask' && first()) {
  // Whoever started it is its parent no more: killed, as was to be.
  const parent = process.ppid;
  setInterval(() => process.ppid === parent || process.exit(75), 100);
  process.stdin.resume();
} else {
  process.argv.splice(1, 3, main);
  await import(main);
}
