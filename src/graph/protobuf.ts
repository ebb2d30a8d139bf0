/** The wire format of Protocol Buffers, as much as an ONNX file needs: fields go in, bytes come out. */

/** A message as an ordered list of fields; `undefined` values are left out. */
export type Field = [number: number, value: FieldValue];
export type FieldValue = number | bigint | string | Uint8Array | Float | Field[] | undefined;

/** A number to be written as a 32-bit float instead of a varint. */
export class Float {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

const [VARINT, LENGTH, FIXED32] = [0, 2, 5];

/** One message. Repeated fields are repeated entries. */
export function message(fields: Field[]): Uint8Array {
  const chunks: Uint8Array[] = [];
  for (const [number, value] of fields) {
    if (value === undefined) continue;
    if (typeof value === 'number' || typeof value === 'bigint') {
      chunks.push(varint((number << 3) | VARINT), varint(value));
    } else if (value instanceof Float) {
      chunks.push(varint((number << 3) | FIXED32), new Uint8Array(Float32Array.of(value.value).buffer));
    } else {
      const body = typeof value === 'string' ? Buffer.from(value) : Array.isArray(value) ? message(value) : value;
      chunks.push(varint((number << 3) | LENGTH), varint(body.length), body);
    }
  }
  return Buffer.concat(chunks);
}

/** Seven bits a byte, lowest first; negative numbers as 64-bit two's complement. */
function varint(value: number | bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest >= 128n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}
