// Writes a file of the origin private file system for a page that cannot, as in Safari before 26: there only workers can.
addEventListener("message", async ({ data: { directory, name, head, body } }) => {
  try {
    const root = await navigator.storage.getDirectory();
    await write(await root.getDirectoryHandle(directory), name, new TextEncoder().encode(head), body);
    postMessage({});
  } catch (error) {
    postMessage({ name: error.name, message: error.message });
  }
});

const write = async (folder, name, head, body) => {
  const handle = await folder.getFileHandle(name, { create: true });
  const access = await handle.createSyncAccessHandle();
  let whole = false;
  try {
    await access.truncate(0);
    let at = head.length;
    for (const reader = body.stream().getReader(); ; ) {
      const { value, done } = await reader.read();
      if (done) break;
      for (let written = 0; written < value.length; ) {
        const count = access.write(value.subarray(written), { at: at + written });
        if (!count) throw new DOMException("the file does not grow any more", "QuotaExceededError");
        written += count;
      }
      at += value.length;
    }
    // The head last: a file without it counts as none, whatever ended this worker on the way.
    access.write(head, { at: 0 });
    await access.flush();
    whole = true;
  } finally {
    await access.close();
    if (!whole) await folder.removeEntry(name);
  }
};
