// Type-checked against authmedia.d.ts, and never run. Each `@ts-expect-error` is a mistake that has to be found.
import { AuthMediaError, start, type AuthMediaSession, type LoadedMedia } from "./authmedia-js/authmedia.js";

declare const event: { getContent(): { url?: string; file?: { url: string }; info: { w: number; h: number } } };

const media: AuthMediaSession = await start({
  homeserver: "https://matrix.example.org",
  userId: "@ana:example.org",
  accessToken: "a token",
  strategy: "link",
  root: document.querySelector("main"),
  limits: { transfers: 4 },
  refresh: async () => ({ accessToken: "another", expiresInMs: 300_000 }),
  onError: ({ errorClass, retry }) => console.log(errorClass.length, retry === false),
});
const { url, file, info } = event.getContent();
const loaded: LoadedMedia = await media.load(
  { mxc: url, file, width: info.w, height: info.h, method: "crop" },
  { signal: AbortSignal.timeout(1000), onProgress: (received, total) => console.log(received / total) },
);
const image = new Image();
image.src = loaded.src;
loaded.release();
if (file) image.dataset["encrypted"] = media.register(file);
document.addEventListener("authmedia:failed", ({ detail, target }) => {
  if (detail.error.retry && target instanceof Element) media.retry(target);
});
image.addEventListener("authmedia:shown", ({ detail }) => console.log(detail.strategy, detail.expires ?? 0));
media.setAccessToken("another", { expiresInMs: 300_000 });
media.setPolicy({ previews: false, reducedMotion: null });
image.addEventListener("authmedia:held", ({ detail }) => media.choose(detail.mxc, true));
await media.forget({ mxc: "mxc://example.org/abc" });
media.stop();

// @ts-expect-error a session needs a token
await start({ homeserver: "https://matrix.example.org", userId: "@ana:example.org" });
// @ts-expect-error there is no such strategy
await start({ homeserver: "", userId: "", accessToken: "", strategy: "cookie" });
// @ts-expect-error there is no such option
await start({ homeserver: "", userId: "", accessToken: "", token: "" });
// @ts-expect-error a setting is true or false
media.setPolicy({ previews: "off" });
// @ts-expect-error a size is a number
await media.load({ mxc: "mxc://example.org/abc", width: "96" });
// @ts-expect-error the detail of a failure has no strategy
document.addEventListener("authmedia:failed", ({ detail }) => detail.strategy);

throw new AuthMediaError({ errorClass: "SessionExpired", message: "Signed out" });
