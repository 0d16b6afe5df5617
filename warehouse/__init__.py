"""How is the database opened, built, published, looked at? Its files live in this folder too, unless HPD_HOME says otherwise."""
