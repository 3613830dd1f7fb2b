//! CUDA C++ as C++: what the compiler of a CPU must not see is written differently.
//!
//! | in the source | becomes | so that |
//! | --- | --- | --- |
//! | `const float* x` | `emu::Ptr<const float> x` | every access knows its allocation |
//! | `__shared__ float tile[8];` | a static key and `emu::shared_array<float[8]>` | each block in flight has its own |
//! | `extern __shared__ float all[];` | `emu::shared_dynamic<float>` | likewise |
//!
//! Lines stay where they are, so messages name the source's. What the source must keep to: the star of a pointer
//! stands next to its type, a product has spaces around its star, a line declares one shared array.

/// The source in C++, or the line that cannot be rewritten and why.
pub(super) fn rewrite(text: &str) -> Result<String, (usize, &'static str)> {
    let mut out = String::with_capacity(2 * text.len());
    for (number, line) in text.lines().enumerate() {
        let (code, comment) = match line.find("//") {
            Some(at) => line.split_at(at),
            None => (line, ""),
        };
        out += &rewrite_line(code).map_err(|why| (number + 1, why))?;
        // A backslash at the end of a macro's line must stay the last character.
        out += if code.trim_end().ends_with('\\') { "" } else { comment };
        out.push('\n');
    }
    Ok(out)
}

fn rewrite_line(code: &str) -> Result<String, &'static str> {
    let Some(at) = code.find("__shared__") else { return Ok(pointers(code)) };
    let (before, rest) = code.split_at(at);
    let Some((declaration, after)) = rest["__shared__".len()..].split_once(';') else {
        return Err("a __shared__ declaration must end in its line: put it on one line");
    };
    let dynamic = before.trim_end().ends_with("extern");
    let before = before.trim_end().strip_suffix("extern").unwrap_or(before);
    Ok(format!("{before}{}{}", shared(declaration, dynamic)?, pointers(after)))
}

/// `float tile[8][4]` and the like.
fn shared(declaration: &str, dynamic: bool) -> Result<String, &'static str> {
    let declaration = without_alignment(declaration.trim());
    let (head, extents) = match declaration.find('[') {
        Some(at) => declaration.split_at(at),
        None => (declaration.as_str(), ""),
    };
    let Some((kind, name)) = head.trim().rsplit_once(char::is_whitespace) else {
        return Err("a __shared__ declaration needs a type and a name: write __shared__ float tile[8];");
    };
    let (kind, name) = (kind.trim(), name.trim());
    if extents.contains(',') || kind.contains(',') || declaration.contains('=') {
        return Err(
            "a __shared__ declaration is of one array without a value: put each on its own line, and fill it after",
        );
    }
    Ok(match (dynamic, extents.is_empty()) {
        (true, _) => format!("auto {name} = emu::shared_dynamic<{kind}>(\"{name}\");"),
        (false, true) => {
            format!("static char {name}_site; auto {name} = emu::shared_scalar<{kind}>(&{name}_site, \"{name}\");")
        }
        (false, false) => format!(
            "static char {name}_site; auto {name} = emu::shared_array<{kind}{extents}>(&{name}_site, \"{name}\");"
        ),
    })
}

/// Without `__align__(16)`: here shared arrays start at multiples of 16 anyway.
fn without_alignment(declaration: &str) -> String {
    match declaration.find("__align__(").and_then(|at| Some((at, at + declaration[at..].find(')')?))) {
        Some((from, to)) => format!("{}{}", &declaration[..from], declaration[to + 1..].trim_start()),
        None => declaration.to_string(),
    }
}

/// Every `T*`, with the `const` and `volatile` before it and the `__restrict__` after it, as `emu::Ptr<T>`.
fn pointers(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(star) = rest.find('*') {
        let (before, after) = (&rest[..star], &rest[star + 1..]);
        let word = before.len() - before.chars().rev().take_while(|&c| is_word(c)).map(char::len_utf8).sum::<usize>();
        let ends = after.is_empty() || after.starts_with([' ', ',', ')', '>']);
        if word == before.len() || !ends || before[word..].starts_with(|c: char| c.is_ascii_digit()) {
            out += &rest[..=star];
            rest = after;
            continue;
        }
        let (head, qualifiers) = without_qualifiers(&before[..word]);
        out += head;
        out += &format!("emu::Ptr<{qualifiers}{}>", &before[word..]);
        rest = after.strip_prefix(" __restrict__").unwrap_or(after);
    }
    out + rest
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == ':'
}

/// Splits `(const volatile ` into `(` and `const volatile `.
fn without_qualifiers(text: &str) -> (&str, &str) {
    let mut head = text;
    loop {
        let shorter = ["const", "volatile", "unsigned"].iter().find_map(|word| head.trim_end().strip_suffix(word));
        match shorter {
            Some(shorter) if !shorter.ends_with(is_word) => head = shorter,
            _ => return (head, &text[head.len()..]),
        }
    }
}
