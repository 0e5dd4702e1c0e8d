// Decrypts an attachment piece by piece, and digests its ciphertext on the way. `createSHA256` is hash-wasm's, which the
// build puts before this script. https://spec.matrix.org/latest/client-server-api/#sending-encrypted-attachments
const BLOCK_BYTES = 16;

addEventListener("message", async ({ data: { ciphertext, key, counter, pieceBytes } }) => {
  const digest = await globalThis.hashwasm?.createSHA256().catch(() => undefined); // without WebAssembly
  if (!digest) return postMessage(undefined);
  try {
    const body = typeof ciphertext === "string" ? (await fetch(ciphertext)).body : ciphertext.stream();
    const plaintext = await decrypt(body, await importKey(key), counter, pieceBytes, digest);
    postMessage({ plaintext, sha256: digest.digest("hex") });
  } catch ({ name, message }) {
    postMessage({ name, message });
  }
});

const importKey = (k) =>
  crypto.subtle.importKey("jwk", { kty: "oct", alg: "A256CTR", k }, { name: "AES-CTR" }, false, ["decrypt"]);

const decrypt = async (body, key, counter, pieceBytes, digest) => {
  // The browser makes a blob of the stream, since it may put that on disk.
  const { readable, writable } = new TransformStream();
  const whole = new Response(readable).blob();
  whole.catch(() => {}); // what fails is thrown below
  const writer = writable.getWriter();
  try {
    let position = 0;
    for await (const piece of pieces(body, pieceBytes)) {
      digest.update(piece);
      const algorithm = { name: "AES-CTR", counter: advanced(counter, position / BLOCK_BYTES), length: 64 };
      await writer.write(new Uint8Array(await crypto.subtle.decrypt(algorithm, key, piece)));
      position += piece.length;
    }
    await writer.close();
  } catch (error) {
    writer.abort(error).catch(() => {});
    throw error;
  }
  return whole;
};

// Yields the body in pieces of equal length, all in one buffer; the last one may be shorter.
async function* pieces(body, pieceBytes) {
  const buffer = new Uint8Array(pieceBytes);
  let filled = 0;
  for (const reader = body.getReader(); ; ) {
    const { value, done } = await reader.read();
    if (done) break;
    for (let taken = 0; taken < value.length; ) {
      const part = value.subarray(taken, taken + pieceBytes - filled);
      buffer.set(part, filled);
      taken += part.length;
      filled += part.length;
      if (filled === pieceBytes) {
        yield buffer;
        filled = 0;
      }
    }
  }
  if (filled) yield buffer.subarray(0, filled);
}

// The lower 64 bits of the block count, and wrap around; the upper ones stay.
const advanced = (counter, blocks) => {
  const block = counter.slice();
  const view = new DataView(block.buffer);
  view.setBigUint64(8, BigInt.asUintN(64, view.getBigUint64(8) + BigInt(blocks)));
  return block;
};
