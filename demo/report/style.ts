/** The report's style sheet: follows the reader's light or dark scheme, works from 320 px on, needs nothing from outside. */
export const style = `
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #1b2430; --muted: #5b6674; --line: #dde2e8;
  --good: #11723f; --good-soft: #d9f2e3; --bad: #b3261e; --bad-soft: #fbe3e1; --accent: #1f5fbf; --accent-ink: #ffffff;
  --soft: #e3edfb; --gap: #c9ced6;
  --s0: #8aa1c1; --s1: #1f5fbf; --s2: #2a9d8f; --s3: #e9a23b; --s4: #9b5de5; --s5: #d1495b; --s6: #6a994e; --s7: #577590;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #11161d; --card: #1a212b; --ink: #e6ebf2; --muted: #9aa7b8; --line: #303a47;
    --good: #6fdc9d; --good-soft: #173a28; --bad: #ff9a90; --bad-soft: #47201d; --accent: #7db0ff; --accent-ink: #0d1420;
    --soft: #23344d; --gap: #3a4553;
    --s0: #7a92b4; --s1: #5b97f2; --s2: #3fb8a9; --s3: #e9b45f; --s4: #b58af0; --s5: #e56b7c; --s6: #8bbd6c; --s7: #7fa1b8;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 24px 16px 64px; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 4px; }
h2 { font-size: 1.3rem; margin: 40px 0 12px; }
h3 { font-size: 1.05rem; margin: 0 0 2px; }
h3 small, th small { color: var(--muted); font-weight: 400; }
th small { display: block; }
p { margin: 0 0 10px; }
.muted { color: var(--muted); }
code { font: 0.9em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.facts { display: flex; flex-wrap: wrap; gap: 8px 28px; margin: 16px 0 0; padding: 0; list-style: none; }
.facts b { display: block; font-size: 1.15rem; overflow-wrap: anywhere; }
.facts span { color: var(--muted); font-size: 0.85rem; }
.banner { margin: 20px 0 0; padding: 12px 16px; border-radius: 10px; font-weight: 600; }
.banner.good { background: var(--good-soft); color: var(--good); }
.banner.bad { background: var(--bad-soft); color: var(--bad); }
.cards { display: grid; gap: 16px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 310px), 1fr)); margin-top: 16px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 16px; min-width: 0; }
.card.wide { grid-column: span 1; }
@media (min-width: 800px) { .cards:has(.wide) { grid-template-columns: 1fr 1fr; } }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: 6px 8px 6px 0; border-top: 1px solid var(--line); vertical-align: top; font-weight: 400; }
thead th { border-top: 0; color: var(--muted); font-size: 0.85rem; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; padding-right: 0; padding-left: 12px; }
.good { color: var(--good); }
.bad, tr.bad th { color: var(--bad); }
.badge { font-size: 0.8rem; font-weight: 600; padding: 2px 9px; border-radius: 99px; margin-right: 6px; }
.badge.good { background: var(--good-soft); }
.badge.bad { background: var(--bad-soft); }
.badge.open { background: var(--soft); color: var(--ink); }
.error { background: var(--bad-soft); border-radius: 8px; padding: 10px 12px; margin: 12px 0 0; overflow-wrap: anywhere; }
p.error { white-space: pre-line; }
.error ul { margin: 6px 0 0; padding-left: 18px; }
.scroll { overflow-x: auto; }
.scroll:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.gantt { display: grid; grid-template-columns: max-content 1fr; gap: 6px 12px; align-items: center; background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 16px; }
.lane-name { color: var(--muted); font-size: 0.85rem; white-space: nowrap; }
.lane { position: relative; height: 26px; background: var(--page); border-radius: 6px; overflow: hidden; }
.bar { position: absolute; top: 3px; bottom: 3px; min-width: 2px; border-radius: 3px; }
.bar.failed { outline: 2px solid var(--bad); outline-offset: -2px; }
.axis { position: relative; height: 1.4em; font-size: 0.75rem; color: var(--muted); font-variant-numeric: tabular-nums; }
.axis span { position: absolute; transform: translateX(-50%); white-space: nowrap; }
.axis span:first-child { transform: none; }
.axis span:last-child { transform: translateX(-100%); }
@media (max-width: 520px) { .axis span:nth-child(even) { display: none; } }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; list-style: none; padding: 0; margin: 10px 0 0; font-size: 0.85rem; color: var(--muted); }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 6px; }
.step-0 { background: var(--s0); } .step-1 { background: var(--s1); } .step-2 { background: var(--s2); } .step-3 { background: var(--s3); }
.step-4 { background: var(--s4); } .step-5 { background: var(--s5); } .step-6 { background: var(--s6); } .step-7 { background: var(--s7); }
.timeline { display: grid; grid-template-columns: max-content 1fr; gap: 5px 12px; align-items: center; min-width: 680px; background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 16px; }
.track { display: flex; min-width: 0; }
.track > span { flex: none; overflow: hidden; white-space: nowrap; text-overflow: ellipsis; font-size: 0.8rem; line-height: 24px; height: 24px; padding: 0 6px; border-left: 2px solid var(--card); border-radius: 5px; }
.track .version { background: var(--accent); color: var(--accent-ink); font-weight: 700; text-align: center; }
.track .open { border-top-right-radius: 0; border-bottom-right-radius: 0; background: linear-gradient(90deg, var(--accent) 75%, transparent); text-align: left; }
.track .value { background: var(--soft); }
.track .null { color: var(--muted); font-style: italic; }
.track .gap { color: var(--muted); text-align: center; background: repeating-linear-gradient(135deg, var(--gap) 0 3px, transparent 3px 8px); text-shadow: 0 0 3px var(--card), 0 0 3px var(--card), 0 0 3px var(--card); }
.ticks > span { font-size: 0.72rem; color: var(--muted); border-left-color: var(--gap); border-radius: 0; padding: 0 4px; font-variant-numeric: tabular-nums; }
.versions { list-style: none; margin: 16px 0 0; padding: 0; display: grid; gap: 12px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 330px), 1fr)); counter-reset: version; }
.versions > li { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 12px 14px; min-width: 0; }
.version-item { counter-increment: version; position: relative; padding-left: 48px !important; }
.version-item::before { content: counter(version); position: absolute; left: 12px; top: 12px; width: 26px; height: 26px; border-radius: 6px; background: var(--accent); color: var(--accent-ink); font-weight: 700; text-align: center; line-height: 26px; font-size: 0.85rem; }
.gap-item { color: var(--muted); background: repeating-linear-gradient(135deg, transparent 0 10px, color-mix(in srgb, var(--gap) 30%, transparent) 10px 14px) !important; }
.when { font-size: 0.82rem; color: var(--muted); font-variant-numeric: tabular-nums; margin-bottom: 6px; }
dl { margin: 0; display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 2px 12px; font-size: 0.88rem; }
dt { color: var(--muted); }
dd { margin: 0; overflow-wrap: anywhere; }
dd .text { white-space: pre-wrap; }
del { color: var(--muted); }
ins { text-decoration: none; background: var(--good-soft); color: var(--good); border-radius: 4px; padding: 0 4px; font-weight: 600; }
footer { margin-top: 48px; color: var(--muted); font-size: 0.85rem; }
@media print { body { background: #fff; } .card, .gantt, .timeline { break-inside: avoid; } }
`;
