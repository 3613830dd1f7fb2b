//! A notebook's title and the paragraph below it.

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// The text of the first heading of level one.
pub fn title(markdown: &[String]) -> Option<String> {
    markdown.iter().find_map(|text| {
        let events = Parser::new_ext(text, Options::ENABLE_MATH | Options::ENABLE_TABLES);
        let mut events = events.skip_while(|event| !starts_title(event)).skip(1).peekable();
        events.peek()?;
        let inside = events.take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))));
        let title: String = inside.map(plain).collect();
        let title = title.trim().to_owned();
        (!title.is_empty()).then_some(title)
    })
}

/// The source of the first paragraph after the title and before the next heading; a quotation is passed over.
pub fn subtitle(markdown: &[String]) -> Option<String> {
    let mut has_title = false;
    for text in markdown {
        let mut depth = 0_usize;
        for (event, range) in Parser::new_ext(text, Options::ENABLE_MATH | Options::ENABLE_TABLES).into_offset_iter() {
            match event {
                ref event if !has_title && starts_title(event) => has_title = true,
                Event::Start(Tag::Paragraph) if has_title && depth == 0 => {
                    return Some(text[range].trim().to_owned());
                }
                Event::Start(Tag::Heading { .. }) if has_title => return None,
                Event::Start(Tag::BlockQuote(_) | Tag::List(_) | Tag::Table(_)) => depth += 1,
                Event::End(TagEnd::BlockQuote(_) | TagEnd::List(_) | TagEnd::Table) => depth -= 1,
                _ => {}
            }
        }
    }
    None
}

fn starts_title(event: &Event<'_>) -> bool {
    matches!(event, Event::Start(Tag::Heading { level: HeadingLevel::H1, .. }))
}

fn plain(event: Event<'_>) -> String {
    match event {
        Event::Text(text) | Event::Code(text) | Event::InlineMath(text) | Event::DisplayMath(text) => {
            text.into_string()
        }
        Event::SoftBreak | Event::HardBreak => " ".into(),
        _ => String::new(),
    }
}
