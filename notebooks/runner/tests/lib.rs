//! The runner as its users meet it: the program is started on real files, and its words and files are judged.

mod bad_input;
mod failures;
mod interruption;
mod notebooks;
mod writing;
