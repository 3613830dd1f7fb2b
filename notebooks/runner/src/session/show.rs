//! How is a cell's last value shown without compiling the cell twice?
//!
//! evcxr first compiles `(value).evcxr_display()`, and only when there is no such method the cell again, with `{:?}`. So
//! the types whose values notebooks show most are given the method, by a trait: a type's own method still comes first.

/// The trait. It leaves arrays and `Vec` to the library's own trait of the same method; where that is not in scope, a
/// `Vec` is shown as the slice it holds.
pub const MODULE: &str = r#"
mod __show {
    use std::collections::*;
    use std::{fmt::Debug, ops::Range, time::Duration};
    pub trait __Show {
        fn evcxr_display(&self);
    }
    macro_rules! show {
        ($([$($generics:tt)*] $shown:ty,)*) => {$(
            impl<$($generics)*> __Show for $shown {
                fn evcxr_display(&self) {
                    let text = format!("EVCXR_BEGIN_CONTENT text/plain\n{self:?}\nEVCXR_END_CONTENT\n");
                    print!("{text}");
                }
            }
        )*};
    }
    show! {
        [] bool, [] char, [] str, [] String, [] f32, [] f64, [] Duration,
        [] i8, [] i16, [] i32, [] i64, [] i128, [] isize, [] u8, [] u16, [] u32, [] u64, [] u128, [] usize,
        [T: Debug] [T], [T: Debug, const N: usize] [T; N], [T: Debug] VecDeque<T>, [T: Debug] Range<T>,
        [T: Debug] Option<T>, [T: Debug, E: Debug] Result<T, E>,
        [K: Debug, V: Debug, S] HashMap<K, V, S>, [T: Debug, S] HashSet<T, S>,
        [K: Debug, V: Debug] BTreeMap<K, V>, [T: Debug] BTreeSet<T>,
        [A: Debug] (A,), [A: Debug, B: Debug] (A, B), [A: Debug, B: Debug, C: Debug] (A, B, C),
        [A: Debug, B: Debug, C: Debug, D: Debug] (A, B, C, D),
    }
    // Nothing to see.
    impl __Show for () {
        fn evcxr_display(&self) {}
    }
}
use __show::__Show;"#;

/// The trait without its method: evcxr shows values as it would. For readers who choose how, by `:fmt` or `:types`.
pub const EMPTY_MODULE: &str = "mod __show { pub trait __Show {} }\nuse __show::__Show;";

/// Whether a command in the cell says how values are to be shown.
pub fn is_chosen(code: &str) -> bool {
    code.lines().any(|line| [":fmt", ":types"].iter().any(|command| line.trim_start().starts_with(command)))
}
