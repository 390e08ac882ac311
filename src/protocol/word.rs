//! One word of the language: percent-encoding.
