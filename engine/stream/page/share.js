// A link under which others look on at this session: pictures and sound, no say in it.

const THIS_MACHINE = ["localhost", "127.0.0.1", "[::1]"];

/** The address of a page that looks on; watch: what the session's answer calls so. */
export function watchLink(watch) {
  return `${location.origin}${location.pathname}?watch=${encodeURIComponent(watch)}`;
}

/** What to know before handing it on. The token is not in the link: who has that may do more than look on. */
export function linkNote(wantsToken) {
  const notes = [];
  if (THIS_MACHINE.includes(location.hostname)) notes.push("It works on this machine only, until the server is started with --host.");
  if (wantsToken) notes.push("The server's token is not in it: add #token=… for those who may have it.");
  return notes.join(" ");
}

/** Copy a text; whether the browser let us. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
