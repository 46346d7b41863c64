"""How a report looks: on a screen, light or dark, and on A4 paper. Colour never stands alone."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root { color-scheme: light dark;
  --page: #fff; --ink: #17202a; --soft: #4a5663; --line: #c3cbd3; --tint: #f3f5f7;
  --link: #0b4f8a; --good: #0f5c2e; --bad: #9c1616; --open: #6f4a00; }
@media (prefers-color-scheme: dark) { :root {
  --page: #14181d; --ink: #e8ebee; --soft: #b3bcc6; --line: #414b56; --tint: #1e242b;
  --link: #8cc4ff; --good: #86dba6; --bad: #ff9d97; --open: #f2c76b; } }
* { box-sizing: border-box; }
html { font: 100%/1.5 "Liberation Sans", Arial, Helvetica, sans-serif;
  -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--ink); }
main, footer { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1.25rem; }
footer { color: var(--soft); font-size: .875rem; border-top: 1px solid var(--line); }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.35rem; line-height: 1.25; margin: 2.75rem 0 .75rem; padding-top: .75rem;
  border-top: 2px solid var(--ink); }
h3 { font-size: 1.1rem; margin: 1.75rem 0 .5rem; }
h4 { font-size: 1rem; margin: 1.25rem 0 .35rem; }
p, ul, ol, dl { margin: .5rem 0; max-width: 48rem; }
ul, ol { padding-left: 1.4rem; }
li { margin: .3rem 0; }
a { color: var(--link); }
nav ul { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; }
nav li { margin: 0; }
.lead { color: var(--soft); margin-top: 0; }
.verdict { border: 2px solid; border-left-width: .75rem; padding: .75rem 1.1rem;
  margin: 1.25rem 0; }
.verdict p { font-size: 1.2rem; line-height: 1.4; margin: .35rem 0; color: var(--ink);
  max-width: none; }
.verdict .stamp { font-weight: bold; font-size: .95rem; letter-spacing: .06em; color: inherit; }
.verdict.holds { border-color: var(--good); color: var(--good); }
.verdict.fails { border-color: var(--bad); color: var(--bad); }
.state { font-weight: bold; white-space: nowrap; }
.state.holds { color: var(--good); }
.state.fails { color: var(--bad); }
.state.open { color: var(--open); }
.note { color: var(--soft); font-size: .9rem; }
.warn { border-left: .3rem solid var(--bad); padding-left: .75rem; }
.wide { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .9rem;
  font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: bold; padding: 0 0 .3rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .8rem .35rem 0;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
thead th { overflow-wrap: normal; border-bottom: 2px solid var(--soft); color: var(--soft);
  font-weight: bold; }
tbody th { font-weight: normal; }
th time, td time { white-space: nowrap; }
.checks td:nth-child(4), .checks th:nth-child(4) { text-align: right; white-space: nowrap; }
.checks th[scope=row] { white-space: nowrap; }
.checks td:nth-child(3) { white-space: nowrap; }
.line th:first-child { width: 11em; }
.line td:nth-child(2), .line td:nth-child(4) { white-space: nowrap; }
.plain { list-style: none; padding: 0; }
code { font: .86em/1.45 "Liberation Mono", "DejaVu Sans Mono", Consolas, monospace;
  overflow-wrap: anywhere; }
code.name { white-space: nowrap; }
.facts { display: grid; gap: .15rem 1rem; }
.facts > div { display: grid; grid-template-columns: 11rem minmax(0, 1fr); gap: 1rem; }
.facts dt { color: var(--soft); }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.facts .facts { margin: 0; }
.facts .facts > div { grid-template-columns: 8rem minmax(0, 1fr); }
.message { border: 1px solid var(--line); padding: .25rem 1rem .75rem; margin: 1rem 0; }
.content { background: var(--tint); border: 1px solid var(--line); padding: .5rem 1rem;
  margin: .75rem 0; overflow: hidden; }
.content h5 { margin: .25rem 0 .5rem; font-size: .95rem; }
.said { white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; }
.words { column-count: 4; padding-left: 2rem; font-size: .9rem; max-width: 44rem; }
.words li { margin: 0; }
.unseen { border: 1px solid currentColor; font: .75em "Liberation Mono", monospace; padding: 0 .2em;
  unicode-bidi: isolate; direction: ltr; white-space: nowrap; }
@media (max-width: 40rem) {
  .facts > div, .facts .facts > div { grid-template-columns: 1fr; gap: 0; }
  .words { column-count: 2; } }
@page { size: A4; margin: 18mm 16mm 20mm;
  @bottom-left { content: "SESN audit report"; font: 8pt "Liberation Sans", Arial, sans-serif; }
  @bottom-right { content: counter(page) " / " counter(pages);
    font: 8pt "Liberation Sans", Arial, sans-serif; } }
@media print { :root { color-scheme: light;
  --page: #fff; --ink: #000; --soft: #333; --line: #999; --tint: #fff;
  --link: #000; --good: #000; --bad: #000; --open: #000; }
  html { font-size: 9.5pt; }
  main, footer { max-width: none; padding: 0; }
  h1, h2, h3, h4, h5, caption { break-after: avoid; }
  h2 { margin-top: 1.75rem; }
  tr, li, .facts > div, .verdict { break-inside: avoid; }
  thead { display: table-header-group; break-after: avoid; }
  .short { break-inside: avoid; }
  .wide { overflow: visible; }
  a { text-decoration: none; }
  p, li { orphans: 3; widows: 3; } }
"""
