// A client on matrix-js-sdk: signs in, syncs, and shows the room's media through authmedia-js.
import { createClient, EventType, MsgType } from "matrix-js-sdk";
import { start } from "./authmedia-js/authmedia.js";

const TAGS = { [MsgType.Image]: "img", [MsgType.Video]: "video", [MsgType.Audio]: "audio" };
const root = document.getElementById("timeline");
const page = document.documentElement;
window.states = [];

const signIn = async ({ homeserver, user, password }) => {
  const login = { type: "m.login.password", identifier: { type: "m.id.user", user }, password };
  const { user_id, access_token, device_id } = await createClient({ baseUrl: homeserver }).loginRequest(login);
  return createClient({ baseUrl: homeserver, userId: user_id, accessToken: access_token, deviceId: device_id });
};

const synced = (client) =>
  new Promise((resolve, reject) =>
    client.on("sync", (state, _before, data) =>
      state === "PREPARED" ? resolve() : state === "ERROR" ? reject(data.error) : undefined,
    ),
  );

const show = (tag, attributes) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value) element.setAttribute(name, value);
  if (tag !== "img") element.controls = true;
  const line = document.createElement("p");
  line.append(element);
  root.append(line);
};

const showEvent = (media, room, event) => {
  const { msgtype, url, file, info } = event.getContent();
  const avatar = room.getMember(event.getSender()).getMxcAvatarUrl();
  show("img", { "data-mxc": avatar, "data-width": 96, "data-height": 96, "data-method": "crop", alt: event.getSender() });
  if (!(msgtype in TAGS)) return;
  const own = file ? { "data-mxc": file.url, "data-encrypted": media.register(file) } : { "data-mxc": url };
  const size = msgtype === MsgType.Image ? { width: info.w, height: info.h } : {};
  const shown = { "data-type": info.mimetype, "data-blurhash": info["xyz.amorgan.blurhash"], alt: "A picture" };
  show(TAGS[msgtype], { ...own, ...shown, ...size });
};

const main = async () => {
  const demo = await (await fetch("demo.json")).json();
  const client = await signIn(demo);
  window.client = client;
  for (const state of ["loading", "shown", "failed", "released"])
    document.addEventListener(`authmedia:${state}`, ({ target, detail }) => states.push([state, target.localName, detail]));
  const media = await start({
    homeserver: client.baseUrl,
    userId: client.getUserId(),
    accessToken: client.getAccessToken(),
    strategy: new URLSearchParams(location.search).get("strategy") ?? "auto",
    root,
    nearPx: null,
    onError: (error) => (page.dataset.error = error.message),
  });
  window.media = media;
  const first = synced(client);
  await client.startClient({ initialSyncLimit: 200 });
  await first;
  const room = client.getRoom(demo.room);
  for (const event of room.getLiveTimeline().getEvents())
    if (event.getType() === EventType.RoomMessage) showEvent(media, room, event);
  client.stopClient();
};

main().then(
  () => (page.dataset.state = "done"),
  (error) => {
    page.dataset.state = "failed";
    page.dataset.error = `${error.name}: ${error.message}`;
  },
);
