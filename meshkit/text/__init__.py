"""Plain text as structure: blocks, sentences, words, quantities. Positions are Unicode code points, half-open."""
