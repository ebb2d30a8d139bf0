/** Numbers in, text for people out. */

/** 1,234,567; below 100 with up to 2 decimals, or 1.2e-5. */
export function count(value: number): string {
  if (value !== 0 && Math.abs(value) < 0.005) return value.toExponential(1);
  return value.toLocaleString('en-GB', { maximumFractionDigits: Math.abs(value) < 100 ? 2 : 0 });
}

/** 12.3 MB (decimal units, as disks and networks count). */
export function bytes(value: number): string {
  let scaled = value;
  for (const unit of ['B', 'kB', 'MB', 'GB']) {
    if (scaled < 1000) return `${unit === 'B' ? Math.round(scaled) : scaled.toFixed(scaled < 10 ? 2 : 1)} ${unit}`;
    scaled /= 1000;
  }
  return `${scaled.toFixed(2)} TB`;
}

/** 850 ms, 12.3 s, 4m 05s, 3h 20m. */
export function duration(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const pad = (value: number) => String(value).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${pad(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h ${pad(Math.floor((whole % 3600) / 60))}m`;
}

/** Rows in, aligned columns out, two spaces apart; numbers are set right. The first row is the head. */
export function table(rows: (string | number)[][]): string {
  const texts = rows.map((row) => row.map((cell) => (typeof cell === 'number' ? count(cell) : cell)));
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, c) => Math.max(...texts.map((row) => row[c]?.length ?? 0)));
  const right = widths.map((_, c) => rows.slice(1).some((row) => typeof row[c] === 'number'));
  return texts
    .map((row) => row.map((cell, c) => (right[c] ? cell.padStart(widths[c]!) : cell.padEnd(widths[c]!))).join('  '))
    .map((line) => line.trimEnd())
    .join('\n');
}
