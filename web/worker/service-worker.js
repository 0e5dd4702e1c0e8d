// The baseline `service_worker`: adds the header to the media that a page marks as its own, as today's web clients do.
const MEDIA = "/_matrix/client/v1/media/";
const SESSION = "authmedia-session";
const REPLY_TIMEOUT_MS = 10_000;

addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));

addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  const session = url.searchParams.get(SESSION);
  if (session && url.pathname.startsWith(MEDIA)) event.respondWith(fetchMedia(event, url, session));
});

const fetchMedia = async ({ request, clientId }, url, session) => {
  url.searchParams.delete(SESSION);
  // Two tabs, or two accounts in one, each have their own: only the tab that requests knows the session that it names.
  const client = await clients.get(clientId);
  const about = { session, origin: url.origin };
  const authorization = await requestAuthorization(client, { ...about, refused: "" });
  let response = await send(request, url, authorization);
  if (response.status === 401) {
    // The token may have ended: the page renews it, and replies with the same one if it cannot tell.
    const renewed = await requestAuthorization(client, { ...about, refused: authorization });
    if (renewed && renewed !== authorization) response = await send(request, url, renewed);
  }
  // The homeserver lets no page see how much it sent, so the worker tells.
  const length = Number(response.headers.get("Content-Length"));
  if (response.ok) client.postMessage({ url: request.url, length });
  return response;
};

const send = (request, url, authorization) => {
  if (!authorization) return Response.error();
  const headers = new Headers({ Authorization: authorization });
  const range = request.headers.get("Range");
  if (range) headers.set("Range", range);
  const { signal } = request;
  return fetch(url, { headers, signal, mode: "cors", credentials: "omit", referrerPolicy: "no-referrer" });
};

// The token is requested each time and never stored here, where it would outlive the tab. The page is told where it would
// go to, and replies for its own homeserver alone. It may renew the token first.
const requestAuthorization = (client, message) =>
  new Promise((resolve, reject) => {
    if (!client) return reject(new Error("the tab of this request is gone"));
    const { port1, port2 } = new MessageChannel();
    setTimeout(() => reject(new Error("the page does not reply to its service worker")), REPLY_TIMEOUT_MS);
    port1.onmessage = ({ data }) => resolve(data.Authorization ?? "");
    client.postMessage(message, [port2]);
  });
