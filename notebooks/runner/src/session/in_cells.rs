std::panic::set_hook(Box::new(|info| {
    let message = info.payload_as_str().unwrap_or("a value that is not text").replace('\n', "\n\u{1}panic ");
    let place = match info.location() {
        Some(at) if at.file() != "src/lib.rs" => {
            let parts: Vec<&str> = at.file().split(['/', '\\']).collect();
            let tail = parts.iter().rposition(|part| *part == "src").map_or(0, |src| src.saturating_sub(1));
            format!(" (at {}:{})", parts[tail..].join("/"), at.line())
        }
        _ => String::new(),
    };
    eprintln!("\u{1}panic {message}{place}");
}));

#[allow(unused_macros)]
macro_rules! __mark {
    ($number:literal) => {
        struct __Ended;
        impl Drop for __Ended {
            fn drop(&mut self) {
                ::std::println!("\u{1}ended {}", $number);
                ::std::eprintln!("\u{1}ended {}", $number);
            }
        }
        // A macro's variable is out of the cell's sight, and of evcxr's, which would keep it alive.
        let _ended = __Ended;
        ::std::eprintln!("\u{1}began {}", $number);
    };
}
