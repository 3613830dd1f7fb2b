//! Markdown cells: pulldown-cmark's events, with formulas, code, headings, links and Chinese made the book's own.

use std::collections::BTreeSet;

use percent_encoding::percent_decode_str;
use pulldown_cmark::{CodeBlockKind, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, TextMergeStream, html};
use pulldown_latex::config::DisplayMode;

use super::html::{Escape, has_han, with_languages};
use super::{Chapter, image, math};
use crate::notebook::Cell;

const OPTIONS: Options = Options::ENABLE_TABLES
    .union(Options::ENABLE_FOOTNOTES)
    .union(Options::ENABLE_STRIKETHROUGH)
    .union(Options::ENABLE_TASKLISTS)
    .union(Options::ENABLE_MATH);

/// The word that opens a section's Chinese summary.
const SUMMARY: &str = "提要";

/// A heading for the contents.
pub struct Heading {
    pub level: u8,
    pub id: String,
    pub html: String,
}

/// The cell as HTML; headings, images and faults are noted in the chapter.
pub fn render(chapter: &mut Chapter<'_>, cell: &Cell<'_>) -> String {
    let source = cell.source();
    let events = TextMergeStream::new(Parser::new_ext(&source, OPTIONS)).collect();
    let events = Writer { chapter, cell: Some(cell), out: Vec::new(), is_alt: false }.run(events);
    let mut text = String::new();
    html::push_html(&mut text, events.into_iter());
    let text = chapter.clean(&text);
    if text.trim().is_empty() { text } else { format!("<div class=\"prose\">\n{text}</div>\n") }
}

/// One paragraph as HTML that may stand in a line: no links, no blocks.
pub fn inline(chapter: &mut Chapter<'_>, text: &str) -> String {
    let events = TextMergeStream::new(Parser::new_ext(text, OPTIONS)).collect();
    let known = chapter.faults.len();
    let events = Writer { chapter, cell: None, out: Vec::new(), is_alt: false }.run(events);
    chapter.faults.truncate(known); // the cell itself has told them
    let line = plain_inline(chapter, &events);
    line.trim().to_owned()
}

/// The text without its marks, formulas as they are written.
pub fn words(text: &str) -> String {
    Parser::new_ext(text, OPTIONS).map(|event| plain(&event)).collect()
}

struct Writer<'c, 'n, 'e> {
    chapter: &'c mut Chapter<'n>,
    /// The cell, whose attachments its images may be.
    cell: Option<&'c Cell<'c>>,
    out: Vec<Event<'e>>,
    /// Whether this is the text of an image, which holds no elements.
    is_alt: bool,
}

impl<'e> Writer<'_, '_, 'e> {
    fn run(mut self, events: Vec<Event<'e>>) -> Vec<Event<'e>> {
        let mut events = events.into_iter().peekable();
        // What closes each open link or image: some become something else.
        let mut ends = Vec::new();
        while let Some(event) = events.next() {
            match event {
                Event::Start(Tag::CodeBlock(kind)) => {
                    let is_text = |event: &Event<'_>| !matches!(event, Event::End(TagEnd::CodeBlock));
                    let code = std::iter::from_fn(|| events.next_if(is_text)).collect::<Vec<_>>();
                    events.next();
                    self.code_block(&kind, &code);
                }
                Event::Start(Tag::Heading { level, .. }) => {
                    let is_inside = |event: &Event<'_>| !matches!(event, Event::End(TagEnd::Heading(_)));
                    let inside = std::iter::from_fn(|| events.next_if(is_inside)).collect();
                    events.next();
                    self.heading(level, inside);
                }
                Event::Start(Tag::BlockQuote(kind)) => {
                    let rest: Vec<_> = events.clone().take(3).collect();
                    if is_summary(&rest) {
                        self.push_html("<blockquote class=\"summary\" lang=\"zh-Hans\">\n");
                    } else {
                        self.out.push(Event::Start(Tag::BlockQuote(kind)));
                    }
                }
                Event::Start(Tag::Table(columns)) => {
                    self.push_html("<div class=\"wide\">");
                    self.out.push(Event::Start(Tag::Table(columns)));
                }
                Event::End(TagEnd::Table) => {
                    self.out.push(Event::End(TagEnd::Table));
                    self.push_html("</div>\n");
                }
                Event::Start(Tag::Link { dest_url, .. }) => {
                    let (start, end) = self.link(&dest_url);
                    self.push_inline(start);
                    ends.push(end);
                }
                Event::Start(Tag::Image { dest_url, title, .. }) => ends.push(self.image(dest_url, title)),
                Event::End(TagEnd::Link | TagEnd::Image) => match ends.pop() {
                    Some(End::Html(end)) => self.push_inline(end.into()),
                    Some(End::Image) => {
                        self.is_alt = false;
                        self.out.push(Event::End(TagEnd::Image));
                    }
                    None => {}
                },
                event => self.leaf(event),
            }
        }
        self.out
    }

    fn leaf(&mut self, event: Event<'e>) {
        match event {
            Event::Text(text) => self.text(text),
            Event::InlineMath(tex) => self.formula(&tex, DisplayMode::Inline),
            Event::DisplayMath(tex) => self.formula(&tex, DisplayMode::Block),
            Event::TaskListMarker(done) => {
                let (mark, word) = if done { ('☑', "done") } else { ('☐', "to do") };
                self.push_inline(format!("<span class=\"task\" role=\"img\" aria-label=\"{word}\">{mark}</span> "));
            }
            Event::FootnoteReference(label) => self.out.push(Event::FootnoteReference(self.note(&label))),
            Event::Start(Tag::FootnoteDefinition(label)) => {
                self.out.push(Event::Start(Tag::FootnoteDefinition(self.note(&label))));
            }
            event => self.out.push(event),
        }
    }

    /// Labels of footnotes count per cell in Markdown, but per page as ids.
    fn note(&self, label: &str) -> CowStr<'e> {
        format!("_note-{}-{label}", self.chapter.cell).into()
    }

    fn text(&mut self, text: CowStr<'e>) {
        if text.contains("\\begin{") || text.contains("$$") {
            let start = start(&text);
            self.chapter
                .fault(format!("`{start}` looks like a formula outside of `$…$`: put `$$` before and after it"));
        }
        if self.is_alt || !has_han(&text) {
            self.out.push(Event::Text(text));
        } else {
            self.push_inline(with_languages(&text));
        }
    }

    fn formula(&mut self, tex: &str, mode: DisplayMode) {
        if self.is_alt {
            self.out.push(Event::Text(tex.to_owned().into()));
            return;
        }
        let html = match math::render(tex, mode) {
            Ok(math) if mode == DisplayMode::Block => format!("<span class=\"formula\">{math}</span>"),
            Ok(math) => math,
            Err(error) => {
                self.chapter.fault(format!("the formula `{}` cannot be read ({error})", start(tex)));
                format!("<code class=\"fault\" title=\"{}\">{}</code>", Escape(&error), Escape(tex))
            }
        };
        self.push_inline(html);
    }

    fn code_block(&mut self, kind: &CodeBlockKind<'_>, code: &[Event<'_>]) {
        let source: String = code.iter().map(plain).collect();
        let language = match kind {
            CodeBlockKind::Fenced(info) => info.split([' ', ',', '{']).next().unwrap_or(""),
            CodeBlockKind::Indented => "",
        };
        let highlighter = self.chapter.highlighter;
        let code = match language {
            "rust" | "rs" => highlighter.cell(source.trim_end()),
            other => highlighter.code(source.trim_end(), other),
        };
        self.push_html(&format!("<pre class=\"listing\"><code>{code}</code></pre>\n"));
    }

    fn heading(&mut self, level: HeadingLevel, inside: Vec<Event<'e>>) {
        let text: String = inside.iter().map(plain).collect();
        let id = unused_id(&mut self.chapter.ids, &text);
        let writer = Writer { chapter: self.chapter, cell: self.cell, out: Vec::new(), is_alt: false };
        let inside = writer.run(inside);
        let html = plain_inline(self.chapter, &inside);
        self.chapter.headings.push(Heading { level: level as u8, id: id.clone(), html });
        let start = Tag::Heading { level, id: Some(id.clone().into()), classes: Vec::new(), attrs: Vec::new() };
        self.out.push(Event::Start(start));
        self.out.extend(inside);
        let href = Escape(&fragment(&id)).to_string();
        self.push_inline(format!("<a class=\"anchor\" href=\"#{href}\" aria-hidden=\"true\" tabindex=\"-1\"></a>"));
        self.out.push(Event::End(TagEnd::Heading(level)));
    }

    /// The opening and closing tags for a link: to another notebook it leads to its page, if the book has it.
    fn link(&self, url: &str) -> (String, End) {
        let (path, rest) = url.split_at(url.find(['#', '?']).unwrap_or(url.len()));
        let target = match path.strip_suffix(".ipynb") {
            Some(stem) if !image::is_remote(path) => {
                let stem = percent_decode_str(stem.trim_start_matches("./")).decode_utf8_lossy();
                if !self.chapter.names.contains(stem.as_ref()) {
                    return ("<span title=\"not in this book\">".into(), End::Html("</span>"));
                }
                format!("{}.html{rest}", image::encode(&stem))
            }
            _ => url.to_owned(),
        };
        (format!("<a href=\"{}\">", Escape(&target)), End::Html("</a>"))
    }

    /// An image; one from the network becomes a link to it.
    fn image(&mut self, url: CowStr<'e>, title: CowStr<'e>) -> End {
        let attached = url.strip_prefix("attachment:").map(|name| {
            let name = percent_decode_str(name).decode_utf8_lossy();
            let data = self.cell.and_then(|cell| cell.attachment(&name));
            data.and_then(|(mime, data)| image::data_url(mime, &data))
        });
        let url = match attached {
            Some(Some(data)) => data.into(),
            Some(None) => {
                self.chapter.fault(format!("there is no \"{url}\" in the cell: attach the image again"));
                url
            }
            None if image::is_remote(&url) && !image::is_inside(&url) => {
                let (start, end) = self.link(&url);
                self.push_inline(start);
                return end;
            }
            None => url,
        };
        self.is_alt = true;
        self.out.push(Event::Start(Tag::Image {
            link_type: pulldown_cmark::LinkType::Inline,
            dest_url: url,
            title,
            id: "".into(),
        }));
        End::Image
    }

    fn push_html(&mut self, html: &str) {
        self.out.push(Event::Html(html.to_owned().into()));
    }

    fn push_inline(&mut self, html: String) {
        self.out.push(Event::InlineHtml(html.into()));
    }
}

/// How an open link or image ends.
enum End {
    Html(&'static str),
    Image,
}

fn is_summary(start: &[Event<'_>]) -> bool {
    matches!(start, [Event::Start(Tag::Paragraph), Event::Start(Tag::Strong), Event::Text(text)]
        if text.trim_start().starts_with(SUMMARY))
}

/// The events' HTML without anything that leads away, for the contents and the index.
fn plain_inline(chapter: &mut Chapter<'_>, events: &[Event<'_>]) -> String {
    let is_plain = |event: &&Event<'_>| match event {
        Event::Start(tag) => matches!(tag, Tag::Emphasis | Tag::Strong | Tag::Strikethrough),
        Event::End(tag) => matches!(tag, TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough),
        Event::InlineHtml(html) => !html.starts_with("<a ") && !html.starts_with("</a"),
        Event::FootnoteReference(_) | Event::Html(_) => false,
        _ => true,
    };
    let mut line = String::new();
    html::push_html(&mut line, events.iter().filter(is_plain).cloned());
    chapter.clean(&line)
}

/// The id that JupyterLab gives a heading, so that links written there lead here as well; numbered if it is taken.
fn unused_id(taken: &mut BTreeSet<String>, text: &str) -> String {
    let base = text.trim().replace(char::is_whitespace, "-");
    let base = if base.is_empty() { "section".to_owned() } else { base };
    let mut id = base.clone();
    for number in 1.. {
        if taken.insert(id.clone()) {
            break;
        }
        id = format!("{base}-{number}");
    }
    id
}

/// Enough of a text to find it again.
fn start(text: &str) -> String {
    let mut chars = text.trim().chars();
    let start: String = chars.by_ref().take(60).collect();
    if chars.next().is_none() { start } else { start + "…" }
}

/// An id as a URL's fragment.
pub fn fragment(id: &str) -> String {
    id.replace('%', "%25")
}

fn plain(event: &Event<'_>) -> String {
    match event {
        Event::Text(text) | Event::Code(text) | Event::InlineMath(text) | Event::DisplayMath(text) => text.to_string(),
        Event::SoftBreak | Event::HardBreak => " ".into(),
        _ => String::new(),
    }
}
