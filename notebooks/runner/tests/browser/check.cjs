// Is every page of the book whole in a real browser: phone and desktop, light and dark?
// Run by ./run, which installs what this needs.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const { pathToFileURL } = require("node:url");
const { chromium } = require("playwright-core");
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];
const SIZES = [{ width: 390, height: 844 }, { width: 1280, height: 900 }];
const SCHEMES = ["light", "dark"];

/** Runs in the page; returns what is wrong with it. */
function inspect() {
  const faults = [];
  const root = document.documentElement;
  if (root.scrollWidth > window.innerWidth) {
    const wide = [...document.body.querySelectorAll("*")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1);
    const names = wide.slice(0, 5).map((e) => e.tagName + "." + (e.getAttribute("class") ?? ""));
    faults.push(`is ${root.scrollWidth} px wide in a window of ${innerWidth} px: ${names}`);
  }
  for (const math of document.querySelectorAll("math")) {
    const box = math.getBoundingClientRect();
    const hidden = math.closest("details:not([open])") || math.closest(".side, .fold");
    const isMath = math.namespaceURI.endsWith("MathML") && getComputedStyle(math).display.includes("math");
    if (!isMath || (!hidden && !(box.width > 1 && box.height > 1))) faults.push(`has a formula that is not shown: ${math.textContent}`);
  }
  if (document.querySelector("script, iframe, object, embed, form, foreignObject")) faults.push("holds an active element");
  for (const element of document.querySelectorAll("*")) {
    for (const { name } of element.attributes) if (name.startsWith("on")) faults.push(`has the handler ${name}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  const twice = ids.filter((id, at) => ids.indexOf(id) !== at);
  if (twice.length) faults.push(`has ids twice: ${twice}`);
  for (const image of document.images) if (!image.naturalWidth) faults.push(`has an image that is not shown: ${image.src.slice(0, 80)}`);
  for (const svg of document.querySelectorAll("main svg")) {
    if (!(svg.getBoundingClientRect().width > 1) && !svg.closest("details:not([open])")) faults.push("has a figure that is not shown");
  }
  const shown = (selector) => [...document.querySelectorAll(selector)].filter((e) => e.checkVisibility()).length;
  if (document.querySelector(".side") && shown(".side") + shown(".fold") !== 1) faults.push("has not exactly one list of contents");
  return faults;
}

/** Links that lead to no file of the book or to no element of it. */
async function deadLinks(page, ids) {
  const links = await page.$$eval("a[href]", (all) => all.map((a) => a.href));
  return links.filter((link) => link.startsWith("file:")).filter((link) => {
    const url = new URL(link);
    const fragment = decodeURIComponent(url.hash.slice(1));
    url.hash = "";
    return !ids.has(url.href) || (fragment && !ids.get(url.href).has(fragment));
  });
}

async function main() {
  const [folder, shots] = process.argv.slice(2);
  if (!folder || !fs.existsSync(path.join(folder, "index.html"))) {
    throw new Error(`${folder ?? "(no folder named)"}: no book there; make one with \`cargo notebooks book\``);
  }
  if (!process.env.CHROMIUM) throw new Error("no Chromium on PATH: install it, or set CHROMIUM");
  const pages = fs.readdirSync(folder).filter((name) => name.endsWith(".html")).sort();
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: FLAGS });
  if (shots) fs.mkdirSync(shots, { recursive: true });
  const faults = new Set();
  const ids = new Map();
  try {
    for (const collecting of [true, false]) {
      for (const name of pages) {
        const url = pathToFileURL(path.resolve(folder, name)).href;
        for (const viewport of SIZES) {
          for (const colorScheme of SCHEMES) {
            const fault = (what) => faults.add(`${name} at ${viewport.width} px, ${colorScheme}: ${what}`);
            const page = await browser.newPage({ viewport, colorScheme, deviceScaleFactor: shots ? 2 : 1 });
            page.on("console", (message) => {
              if (["error", "warning"].includes(message.type())) fault(`console: ${message.text()}`);
            });
            page.on("pageerror", (error) => fault(`error: ${error.message}`));
            page.on("requestfailed", (request) => fault(`failed request: ${request.url().slice(0, 80)}`));
            page.on("request", (request) => {
              if (!/^(file|data):/.test(request.url())) fault(`request to ${request.url()}`);
            });
            await page.goto(url, { waitUntil: "load" });
            if (collecting) {
              ids.set(url, new Set(await page.$$eval("[id]", (all) => all.map((e) => e.id))));
              await page.close();
              continue;
            }
            (await page.evaluate(inspect)).forEach(fault);
            (await deadLinks(page, ids)).forEach((link) => fault(`link to nothing: ${link}`));
            if (shots) {
              const file = `${path.parse(name).name}-${viewport.width}-${colorScheme}.png`;
              await page.screenshot({ path: path.join(shots, file), fullPage: true });
            }
            await page.$$eval("details", (all) => all.forEach((d) => (d.open = true)));
            (await page.evaluate(inspect)).forEach((what) => fault(`with its folds open it ${what}`));
            await page.evaluate(axe);
            const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"];
            // Browsers let the keyboard reach a box that scrolls; a tab stop on every cell would be worse.
            const rules = { "scrollable-region-focusable": { enabled: false } };
            const options = { runOnly: { type: "tag", values: tags }, rules, preload: false };
            const report = await page.evaluate((wanted) => axe.run(wanted), options);
            for (const { id, help, nodes } of report.violations) {
              fault(`${id}: ${help} (${nodes.length}): ${nodes[0].html.slice(0, 160)} ${nodes[0].any[0]?.message ?? ""}`);
            }
            await page.close();
          }
          if (collecting) break;
        }
      }
    }
  } finally {
    await browser.close();
  }
  faults.forEach((fault) => console.error(fault));
  console.log(`${pages.length} pages, ${SIZES.length * SCHEMES.length} views each, ${faults.size} faults`);
  return faults.size ? 1 : 0;
}

main().then((code) => (process.exitCode = code), (error) => {
  console.error(error.message);
  process.exitCode = 2;
});
