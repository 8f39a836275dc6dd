"""The report as a browser shows it, where there is one."""

import html
import json
import re
import shutil
import subprocess

import pytest

from analysis.report.page import write_report
from analysis.verdicts import judge
from tests.analysis.report.test_page import CRITERIA, RUN

_NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, _NAMES)), "")

LISTEN = """<script>window.told = []; console.error = (...x) => told.push(String(x));
addEventListener("error", e => told.push(e.message || e.target.outerHTML), true);</script>"""

LOOK = """
const page = document.querySelector("iframe");
page.onload = () => {
  const inner = page.contentDocument, root = inner.documentElement, view = page.contentWindow;
  const paper = () => view.getComputedStyle(inner.body).backgroundColor;
  const before = paper();
  inner.getElementById("theme").click();
  const small = [...inner.querySelectorAll("svg text")]
    .filter(t => t.textContent.trim()).map(t => t.getBoundingClientRect().height)
    .concat([...inner.querySelectorAll("p, td, figcaption")]
      .map(e => parseFloat(view.getComputedStyle(e).fontSize)));
  document.body.innerText = "FOUND" + JSON.stringify({
    errors: view.told, width: root.scrollWidth, shown: root.clientWidth, papers: [before, paper()],
    dead: [...inner.querySelectorAll('a[href^="#"]')].map(a => a.getAttribute("href"))
      .filter(h => !inner.getElementById(h.slice(1))),
    links: inner.querySelectorAll("nav a").length, smallest: Math.min(...small),
    unpainted: [...inner.querySelectorAll("svg")].filter(s => s.getBBox().width < 50).length,
  }) + "END";
};
"""


@pytest.mark.skipif(not BROWSER, reason="there is no chromium here")
def test_a_browser_shows_the_page_narrow_and_dark(many, tmp_path):
    path = write_report(many, judge.evaluate(many, CRITERIA), RUN, tmp_path / "report.html")
    inner = path.read_text(encoding="utf-8").replace("<head>", f"<head>{LISTEN}", 1)
    frame = f'<iframe width="400" height="900" srcdoc="{html.escape(inner)}"></iframe>'
    outer = tmp_path / "outer.html"
    outer.write_text(f'<meta charset="utf-8">{frame}<script>{LOOK}</script>', encoding="utf-8")
    done = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000",
         f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", outer.as_uri()],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    told = re.search("FOUND(.*)END", done.stdout)
    if told is None:
        pytest.skip(f"the browser does not run here: {done.stderr[-300:]}")
    found = json.loads(html.unescape(told[1]))
    assert found["errors"] == [] and found["dead"] == []
    assert found["width"] <= found["shown"] <= 400
    assert found["links"] == 13
    assert len(set(found["papers"])) == 2
    assert found["unpainted"] == 0 and found["smallest"] >= 7
