//! Imperative writes as pure changes of a specification.
