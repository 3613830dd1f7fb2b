//! Cells, pages, the index, the folder.

use std::fs;

use serde_json::json;

use super::{code, contains, md, page, shown, source};
use crate::book::{BookError, code as coloured, render};

#[test]
fn code_is_escaped_coloured_and_commands_stand_apart() {
    let source = ":dep mlnotes = { path = \"..\" }\nlet v: Vec<f64> = vec![1.0]; // </script>\n::std::mem::drop(v)";
    let page = page(&[
        md("# A"),
        code(source, json!([])),
        code("  \n", json!([])),
        code("/* open\n", json!([])),
        code("x", json!([])),
    ]);
    contains(
        &page,
        &[
            "<span class=\"command\">:dep mlnotes = { path = &quot;..&quot; }</span>\n",
            "&lt;/script&gt;",
            "s-storage",
            "s-comment",
            "s-constant",
            "<span class=\"unseen\">Cell </span>3</span>",
        ],
    );
    assert!(!page.contains("</script>") && !page.contains("command\">::std"));
    assert_eq!(page.matches("class=\"cell\"").count(), 3);
}

#[test]
fn outputs_are_shown_in_their_richest_harmless_form() {
    let stream = |name: &str, text: &str| json!({ "output_type": "stream", "name": name, "text": text });
    let error = json!({ "output_type": "error", "ename": "E", "evalue": "v", "traceback": ["\u{1b}[31mfailed\u{1b}[0m: <f64>\n", "at 3"] });
    let bare = json!({ "output_type": "error", "ename": "E", "evalue": "v", "traceback": [] });
    let both = json!({ "output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": { "text/html": "<b>rich</b>", "text/plain": "poor" } });
    let png = |text: &str| json!({ "output_type": "display_data", "metadata": {}, "data": { "image/png": text, "text/plain": "instead" } });
    let page = page(&[
        md("# A"),
        code(
            "x",
            json!([stream("stdout", "10%\r20%\r\nend\n\n"), stream("stderr", "warn"), stream("stdout", "\n"), error, bare,
        both, png("iVBO\nRw=="), png("\"onerror=x"), { "output_type": "display_data", "metadata": {}, "data": {} }]),
        ),
    ]);
    contains(
        &page,
        &[
            "<div class=\"output stdout\"><span class=\"unseen\">Printed:</span><pre>20%\nend</pre>",
            "class=\"output stderr\"",
            "<pre>failed: &lt;f64&gt;\nat 3</pre>",
            "<pre>E: v</pre>",
            "<b>rich</b>",
            "src=\"data:image/png;base64,iVBORw==\"",
            "<pre>instead</pre>",
        ],
    );
    assert!(!page.contains("poor") && !page.contains('\u{1b}'));
    assert_eq!(page.matches("class=\"output ").count(), 7);
}

#[test]
fn the_index_and_the_pages_know_their_neighbours() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("deep/book");
    let svg = r#"<svg viewBox="0 0 8 5"><style>.g{fill:red}</style><rect class="g" id="r"/></svg>"#;
    let sources = [
        source(
            "10_z",
            folder.path(),
            &[
                md("# Last <b>& 首</b>\n\nWhat `it` is with [a link](x.html) and $x^2$.\n\nMore."),
                code("p", shown("image/svg+xml", svg)),
            ],
        ),
        source("00_a", folder.path(), &[md("no title")]),
        source("05_空", folder.path(), &[md("# Third")]),
    ];
    render(&sources, &out).unwrap();
    let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    let index = read("index.html");
    contains(
        &index,
        &[
            "<a href=\"10_z.html\"><span class=\"number\">10</span> Last &amp; <span lang=\"zh-Hans\">首</span></a>",
            "<p>What <code>it</code> is with a link and <math",
            "<style>#_thumbnail-10_z {.g{fill:red}}</style><svg",
            "id=\"_thumbnail-10_z-r\"",
            "<span class=\"thumbnail blank\" aria-hidden=\"true\">00</span>",
            "href=\"05_%E7%A9%BA.html\"",
        ],
    );
    assert!(index.find("10_z.html") < index.find("00_a.html"), "the order given");
    let middle = read("00_a.html");
    contains(
        &middle,
        &[
            "<h1>00_a</h1>",
            "rel=\"prev\" href=\"10_z.html\"",
            "rel=\"next\" href=\"05_%E7%A9%BA.html\"",
            "<html lang=\"en\">",
            "<meta name=\"viewport\"",
            "<meta name=\"description\" content=\"",
            "<main id=\"main\">",
            "href=\"#main\"",
        ],
    );
    contains(&read("10_z.html"), &["<meta name=\"description\" content=\"What it is with a link and x^2.\">"]);
    assert!(!read("10_z.html").contains("rel=\"prev\"") && !read("05_空.html").contains("rel=\"next\""));
    assert!(read("style.css").contains("prefers-color-scheme: dark"));
}

#[test]
fn a_book_replaces_a_book_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("book");
    let one = |name: &str| source(name, folder.path(), &[md("# A")]);
    fs::create_dir(&out).unwrap();
    render(&[one("old")], &out).unwrap();
    render(&[one("new")], &out).unwrap();
    let mut names: Vec<_> =
        fs::read_dir(&out).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["index.html", "new.html", "style.css"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");

    let message = |result: Result<(), BookError>| result.unwrap_err().to_string();
    assert!(message(render(&[], &out)).contains("at least one notebook"));
    for name in ["index", "", "../x", "a/b", "new"] {
        assert!(message(render(&[one("new"), one(name)], &out)).contains("no page can be named"), "{name}");
    }
    assert!(out.join("new.html").exists(), "refused books leave the old one");
    let other = folder.path().join("mine");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("thesis.txt"), "x").unwrap();
    assert!(message(render(&[one("a")], &other)).contains("not a book, so it is left alone"));
    assert!(message(render(&[one("a")], &other.join("thesis.txt"))).contains("not a book"));
    assert!(message(render(&[one("a")], &other.join("thesis.txt/book"))).contains("cannot be written"));
    assert_eq!(fs::read_to_string(other.join("thesis.txt")).unwrap(), "x");
}

#[test]
fn every_colour_of_code_can_be_read_on_its_ground() {
    let luminance = |rgb: u32| {
        let channel = |shift: u32| {
            let value = f64::from(rgb >> shift & 255) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(16) + 0.7152 * channel(8) + 0.0722 * channel(0)
    };
    let contrast = |a: u32, b: u32| {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    };
    assert!((contrast(0x777777, 0xffffff) - 4.478).abs() < 0.001, "WCAG's own example");
    for (scopes, light, dark, _) in coloured::COLOURS {
        assert!(
            contrast(light, coloured::GROUNDS[0]) >= 4.5,
            "{scopes} light: {}",
            contrast(light, coloured::GROUNDS[0])
        );
        assert!(contrast(dark, coloured::GROUNDS[1]) >= 4.5, "{scopes} dark: {}", contrast(dark, coloured::GROUNDS[1]));
    }
    let style = coloured::style();
    for (scopes, light, dark, _) in coloured::COLOURS {
        let (light, dark) = (format!("#{light:06x}"), format!("#{dark:06x}"));
        let (day, night) = style.split_once("prefers-color-scheme: dark").unwrap();
        assert!(day.contains(&light) && night.contains(&dark), "{scopes} is not in\n{style}");
    }
    for ground in coloured::GROUNDS {
        assert!(include_str!("../style.css").contains(&format!("--code: #{ground:06x}")));
    }
}

#[test]
fn a_book_that_cannot_be_finished_leaves_the_old_one_whole() {
    use crate::book::site::{File, publish};
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("book");
    render(&[source("old", folder.path(), &[md("# A")])], &out).unwrap();
    let gone = folder.path().join("gone.png");
    let files = [File::text("index.html", "half".into()), File::copy("images/a-1.png", &gone)];
    let message = publish(&files, &out).unwrap_err().to_string();
    assert!(
        message.contains("images/a-1.png: the book cannot be written") && message.contains("as it was"),
        "{message}"
    );
    assert!(fs::read_to_string(out.join("index.html")).unwrap().contains("old.html") && out.join("old.html").exists());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[cfg(unix)]
#[test]
fn a_link_to_the_book_stays_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let (real, link) = (folder.path().join("real"), folder.path().join("link"));
    fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink("real", &link).unwrap();
    render(&[source("a", folder.path(), &[md("# A")])], &link).unwrap();
    assert!(link.is_symlink() && real.join("a.html").exists());
}
