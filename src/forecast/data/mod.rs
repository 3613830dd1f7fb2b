//! Which rows does a model learn from, which choose when to stop, and which judge it?
//!
//! | piece | what it does |
//! | --- | --- |
//! | [`Windows`] | look-back and future, side by side, at every step of a table |

mod windows;

pub use windows::Windows;
