"""The dashboard in a real Chromium: every tab, a mute that changes a list, a user that is forgotten."""

from __future__ import annotations

import re

from penchant.app.dashboard.words import WORDS

ROOMS = ("collect", "process", "profile", "interest", "recommend", "evaluate")
USER = "user-3"
READY = "[role=tabpanel][aria-busy=false]"


def test_each_tab_a_mute_and_a_forget(served, browser):
    server, _ = served()
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(15_000)
    wrong, asked = [], []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{server.address}/dashboard")
    page.wait_for_selector(READY)
    for room in ROOMS:
        page.get_by_role("tab", name=WORDS[room][0]).click()
        page.wait_for_selector(f"{READY}[aria-label={WORDS[room][0]}]")
    page.get_by_label("User", exact=True).fill("user-")
    page.get_by_role("button", name=f"Look at: {USER}").click()
    _open(page, "recommend")
    before = _list(page)
    _open(page, "interest")
    page.wait_for_selector(".penchant-chart svg path", state="attached")
    number = int(before[0]) % 5  # item i is about topic i modulo 5
    muted = f"topic-{number}"
    page.get_by_role("button", name=f"Mute: {muted}", exact=True).click()
    page.get_by_role("button", name=f"Unmute: {muted}", exact=True).wait_for()
    _open(page, "recommend")
    after = _list(page)
    assert after
    assert not any(int(item) % 5 == number for item in after)

    _open(page, "profile")
    page.get_by_role("button", name=re.compile("^Forget this user")).click()
    page.get_by_role("dialog").get_by_label("User", exact=True).fill(USER)
    page.get_by_role("button", name="Erase for good").click()
    page.get_by_text("events were erased").wait_for()
    page.goto(f"{server.address}/dashboard/?tab=profile&user={USER}&lang=zh&theme=dark")
    page.get_by_text(f"对 {USER} 一无所知。").wait_for()
    assert "body--dark" in (page.get_attribute("body", "class") or "")
    # NiceGUI's chart says so when it leaves the page before it was drawn.
    assert [line for line in wrong if "reading 'dispose'" not in line] == []
    assert [url for url in asked if not url.startswith((server.address, "data:", "blob:"))] == []


def test_the_keyboard_alone_is_enough(served, browser):
    server, _ = served()
    page = browser.new_page()
    page.set_default_timeout(15_000)
    page.goto(f"{server.address}/dashboard/?tab=profile")
    page.wait_for_selector(READY)
    page.get_by_label("User", exact=True).focus()
    page.keyboard.type(USER)
    page.keyboard.press("Enter")
    page.get_by_text("Behaviour").wait_for()
    page.get_by_role("tab", name="Profile").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.get_by_text(f"Interests of {USER}").first.wait_for()
    show = page.get_by_role("button", name=re.compile("^Show: evidence")).first
    show.focus()
    page.keyboard.press("Enter")
    page.get_by_text("What carries").first.wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")


def _open(page, room):
    page.get_by_role("tab", name=WORDS[room][0]).click()
    page.wait_for_selector(f"{READY}[aria-label={WORDS[room][0]}]")


def _list(page):
    """Return the numbers of the items in the list that is shown."""
    rows = page.get_by_role("table").first.locator("tbody tr")
    rows.first.wait_for()
    return [re.search(r"item-(\d+)", text).group(1) for text in rows.all_inner_texts()]
