// Asks anew for the part of the page that changes, while somebody looks at it.
const live = document.getElementById("live"), stale = document.getElementById("stale");
let shown = "", told = new Date();

function say(what) {
  stale.hidden = !what;
  stale.textContent = what && `${what} What is shown was true at ${told.toLocaleTimeString()}.`;
}

async function ask() {
  const answer = await fetch(live.dataset.from, { headers: { accept: "application/json" } });
  if (answer.status === 401 || answer.status === 403) return say("You are not signed in any more, or may not see this.");
  if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
  const said = await answer.json();
  // What did not change is left alone: somebody may be marking a text in it.
  if (said.html !== shown) live.innerHTML = shown = said.html;
  told = new Date();
  say("");
  if (said.again_s) setTimeout(look, said.again_s * 1000);
}

async function look() {
  if (document.visibilityState !== "visible") {
    document.addEventListener("visibilitychange", look, { once: true });
    return;
  }
  try {
    await ask();
  } catch (error) {
    say(`Nothing new is known: ${error.message}.`);
    setTimeout(look, 10_000);
  }
}

look();
