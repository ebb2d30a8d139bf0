/** Small helpers: elements, numbers, colours. Names of colours in, what the theme makes of them out. */

/** `el('p', {class: 'soft'}, 'text', node)`. */
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? '' : value);
  }
  node.append(...children.flat().filter((child) => child !== undefined && child !== null));
  return node;
}

export const $ = (selector) => document.querySelector(selector);

/** 1,234,567 / 3.217 / 4.5e-5. */
export function number(value, digits = 4) {
  if (value === undefined || value === null || Number.isNaN(value)) return '–';
  const size = Math.abs(value);
  if (size !== 0 && size < 1e-3) return value.toExponential(2);
  if (size >= 1000) return Math.round(value).toLocaleString('en-GB');
  return value.toLocaleString('en-GB', { maximumSignificantDigits: digits });
}

/** 12.3 M. */
export function short(value) {
  for (const [size, unit] of [
    [1e12, ' T'],
    [1e9, ' G'],
    [1e6, ' M'],
    [1e3, ' k'],
  ]) {
    if (Math.abs(value) >= size) return `${number(value / size, 3)}${unit}`;
  }
  return number(value, 3);
}

export function duration(seconds) {
  if (!(seconds >= 0)) return '–';
  if (seconds < 60) return `${number(seconds, 3)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
  return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, '0')} min`;
}

/** Tells itself apart for the common kinds of colour blindness; one list for each theme (after Okabe and Ito 2008). */
const SERIES = {
  light: ['#0b6e75', '#c2570c', '#5b4fc4', '#b0246a', '#4d7c0f', '#0369a1', '#8a6d00', '#6b7280'],
  dark: ['#5fd0cf', '#f2a65a', '#a99df5', '#f084b5', '#a3d65c', '#6cbcf5', '#e6c84b', '#b6bcc6'],
};

export function dark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
}

export const seriesColor = (i) => SERIES[dark() ? 'dark' : 'light'][i % 8];

/** A colour of the stylesheet, as the canvas needs it. */
export function themed(name) {
  const probe = el('i', { style: `color: var(${name}); display: none` });
  document.body.append(probe);
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color;
}
