"""The pages: plain files for browsers, and what names, links and compresses them."""
