// The baseline `service_worker`: adds the header to the media that a page marks as its own, as today's web clients do.
const MEDIA = "/_matrix/client/v1/media/";
const SESSION = "authmedia-session";
const REPLY_TIMEOUT_MS = 3000;

addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));

addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  const session = url.searchParams.get(SESSION);
  if (session && url.pathname.startsWith(MEDIA)) event.respondWith(answer(event, url, session));
});

const answer = async ({ request, clientId }, url, session) => {
  url.searchParams.delete(SESSION);
  // Two tabs, or two accounts in one, each have their own: only the tab that asks knows the session that it names.
  const client = await clients.get(clientId);
  const headers = new Headers(await headersOf(client, { session, origin: url.origin }));
  const range = request.headers.get("Range");
  if (range) headers.set("Range", range);
  const { signal } = request;
  const response = await fetch(url, { headers, signal, mode: "cors", credentials: "omit", referrerPolicy: "no-referrer" });
  // The homeserver lets no page see how much it sent, so the worker tells.
  const length = Number(response.headers.get("Content-Length"));
  if (response.ok) client.postMessage({ url: request.url, length });
  return response;
};

// The token is asked for each time and never kept here, where it would outlive the tab. The page is told where it would
// go to, and answers for its own homeserver alone.
const headersOf = (client, asked) =>
  new Promise((resolve, reject) => {
    if (!client) return reject(new Error("the tab that asked is gone"));
    const { port1, port2 } = new MessageChannel();
    setTimeout(() => reject(new Error("the page does not answer its service worker")), REPLY_TIMEOUT_MS);
    port1.onmessage = ({ data }) => resolve(data);
    client.postMessage(asked, [port2]);
  });
