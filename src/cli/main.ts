#!/usr/bin/env node
/** The program's start. Says so where Node is too old, before anything is loaded that an old one can't read. */
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(
    `error: Node ${process.versions.node} is too old\nhint: install Node 20.19 or newer (https://nodejs.org)`,
  );
  process.exitCode = 3;
} else {
  const { main } = await import('./program.ts');
  process.exitCode = await main(process.argv.slice(2));
}

export {};
