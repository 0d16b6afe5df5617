"""What people look at: one page that opens from an e-mail, and figures for a paper; both from the marts alone."""
